"""The batch endpoint: many calls in one request, taken together or one by one."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from postroad.contract.batch import Item, decode_items
from postroad.contract.credentials import key_of
from postroad.contract.decode import Call, Unusable
from postroad.contract.envelope import Batch, open_in_steps
from postroad.contract.limits import PROBLEMS
from postroad.contract.refusals import Error
from postroad.contract.violations import Problem
from postroad.ingest.keeping import Keeper, Refusable, Taken
from postroad.ingest.keyring import ApiSource
from postroad.ingest.senders import Senders
from postroad.ingest.turns import Turns
from postroad.web.answers import Answer, counted, refuse

_AT_ONCE: Final = 64 * 1024
"""Bytes of items decoded before other requests get their turn."""
_LOOKED_AT_ONCE: Final = 2_000
"""Decoded items that are looked at before other requests get their turn."""
_AN_ITEM: Final = 256
"""Bytes that an item counts more than it has: the smallest takes time, too."""


async def open_in_slices(body: bytes, turns: Turns) -> Batch | Unusable:
    """Read a body as a batch; other requests get their turn meanwhile. Never raises, whatever the bytes."""
    if len(body) > _AT_ONCE:
        await turns.pause()
    steps = open_in_steps(body)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Batch | Unusable = end.value
            return found
        await turns.pause()


async def decode_in_slices(
    batch: Batch, received_at: int, new_message_id: Callable[[], str], turns: Turns
) -> list[Item]:
    """Decode all items of a batch; other requests get their turn meanwhile. Never raises, whatever the bytes."""
    items: list[Item] = []
    size = 0
    for item in decode_items(batch, 0, len(batch.items), received_at, new_message_id):
        items.append(item)
        size += len(item.body) + _AN_ITEM
        if size >= _AT_ONCE:
            size = 0
            await turns.pause()
    return items


class Batches:
    """Answers batches: in strict mode all or nothing, otherwise each item on its own merits."""

    def __init__(self, keeper: Keeper, senders: Senders, new_message_id: Callable[[], str], turns: Turns) -> None:
        self._keeper = keeper
        self._senders = senders
        self._new_message_id = new_message_id
        self._turns = turns

    async def take(self, taken: Taken, batch: Batch) -> Answer:
        """Answer one batch."""
        problems = batch.problems
        mismatch = self._senders.contradiction(taken.source, (batch.write_key,))
        if mismatch is not None:
            problems = (*problems, mismatch)
        told = () if taken.strict else problems  # in strict mode once for all
        batch = batch._replace(problems=told)
        items = await decode_in_slices(batch, taken.received_at, self._new_message_id, self._turns)
        bad: list[int] = []
        for index, item in enumerate(items):
            if index % _LOOKED_AT_ONCE == _LOOKED_AT_ONCE - 1:
                await self._turns.pause()
            items[index] = checked = self._check_key(item, taken.source)
            if _problems(checked):
                bad.append(index)
        if taken.strict and (problems or bad):
            return _refuse(problems, items, bad)
        return await self._keep(taken, items)

    def _check_key(self, item: Item, source: ApiSource) -> Item:
        """Note when the item's own key is somebody else's."""
        call = item.found
        if isinstance(call, Unusable) or b'"writeKey"' not in item.body:
            return item
        mismatch = self._senders.contradiction(source, (key_of(item.body),))
        return item if mismatch is None else Item(item.body, replace(call, violations=(*call.violations, mismatch)))

    async def _keep(self, taken: Taken, items: Sequence[Item]) -> Answer:
        calls = [item.found for item in items if isinstance(item.found, Call)]
        refused = [
            Refusable(item.found.reasons, item.body, index)
            for index, item in enumerate(items)
            if isinstance(item.found, Unusable)
        ]
        if calls:
            await self._keeper.keep(taken, calls)
        if refused:  # last: should this fail, the client sends all again, and the events are known then
            await self._keeper.reject(taken, refused)
        return counted(sum(len(call.violations) + len(call.notes) for call in calls))


def _refuse(problems: Sequence[Problem], items: Sequence[Item], bad: Sequence[int]) -> Answer:
    """Return the 400 that names every bad item, and tells the first problems in full."""
    found = [*problems]
    for index in bad:
        if len(found) >= PROBLEMS:
            break
        found += (_at(index, problem) for problem in _problems(items[index]))
    what = "the batch breaks the contract"
    if bad:
        what = f"{len(bad)} of {len(items)} items break the contract: {', '.join(_ranges(bad))}"
    return refuse(Error.INVALID, f"{what}; nothing of the batch was stored", found)


def _problems(item: Item) -> Sequence[Problem]:
    return item.found.reasons if isinstance(item.found, Unusable) else item.found.violations


def _at(index: int, problem: Problem) -> Problem:
    path = f"batch[{index}].{problem.path}" if problem.path else f"batch[{index}]"
    return Problem(path, problem.code, problem.message)


def _ranges(indexes: Sequence[int]) -> Iterator[str]:
    """Yield increasing numbers as ranges: `1`, `3-4`."""
    first = last = indexes[0]
    for index in (*indexes[1:], -1):
        if index != last + 1:
            yield str(first) if first == last else f"{first}-{last}"
            first = index
        last = index
