"""The batch endpoint: many calls in one request, taken together or one by one."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from postroad.contract.batch import Batch, Item, decode_items, open_batch
from postroad.contract.decode import Call, Unusable
from postroad.contract.refusals import Error
from postroad.contract.violations import Problem
from postroad.web.answers import OK, Answer, counted, refuse
from postroad.web.keeping import Keeper, Refusable, Taken

_AT_ONCE: Final = 250
"""Items decoded before other requests get their turn."""


class Batches:
    """Answers batches: in strict mode all or nothing, otherwise each item on its own merits."""

    def __init__(self, keeper: Keeper, new_message_id: Callable[[], str]) -> None:
        self._keeper = keeper
        self._new_message_id = new_message_id

    async def take(self, taken: Taken, body: bytes, mismatch: Problem | None) -> Answer:
        """Answer one batch. `mismatch` is what is wrong with the keys in it, a violation of every item."""
        batch = open_batch(body)
        if isinstance(batch, Unusable):
            return await self._unusable(taken, batch.reasons, body)
        if mismatch is not None:
            batch = batch._replace(problems=(*batch.problems, mismatch))
        if taken.strict and batch.problems:
            return refuse(Error.INVALID, "the batch breaks the contract; nothing of it was stored", batch.problems)
        items = await self._decode(batch, taken.received_at)
        if taken.strict and (wrong := _all_problems(items)):
            bad = len({problem.path.partition("]")[0] for problem in wrong})
            message = f"{bad} of {len(items)} items break the contract; nothing of the batch was stored"
            return refuse(Error.INVALID, message, wrong)
        return await self._keep(taken, items)

    async def _decode(self, batch: Batch, received_at: int) -> list[Item]:
        items: list[Item] = []
        for start in range(0, len(batch.items), _AT_ONCE):
            if start:
                await asyncio.sleep(0)
            items += decode_items(batch, start, start + _AT_ONCE, received_at, self._new_message_id)
        return items

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

    async def _unusable(self, taken: Taken, reasons: tuple[Problem, ...], body: bytes) -> Answer:
        if taken.strict:
            return refuse(Error.INVALID, "the batch can't be used", reasons)
        await self._keeper.reject(taken, (Refusable(reasons, body),))
        return OK


def _all_problems(items: Sequence[Item]) -> list[Problem]:
    """Return every problem of every item, its path starting with the item's place."""
    found = []
    for index, item in enumerate(items):
        problems = item.found.reasons if isinstance(item.found, Unusable) else item.found.violations
        for problem in problems:
            path = f"batch[{index}].{problem.path}" if problem.path else f"batch[{index}]"
            found.append(Problem(path, problem.code, problem.message))
    return found
