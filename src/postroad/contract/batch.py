"""A batch: many calls in one body, and what they share.

The batch's `context` and `integrations` are merged into each item, shallowly, and the item wins; `sentAt` is
taken over by items without one. Everything else beside `batch` is the client's own business.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Raw

from postroad.contract.calls import TYPES
from postroad.contract.decode import Call, Unusable, decode_read
from postroad.contract.document import check_depth, check_encoding, parse_object
from postroad.contract.limits import BATCH_BYTES, EVENT_BYTES, ITEMS, MERGED_BYTES
from postroad.contract.members import excerpt, read_members
from postroad.contract.violations import Code, Problem

_LIST = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_SHARED = ("context", "integrations")
_NULL = b"null"


class Batch(NamedTuple):
    """A body that is a batch. `problems` are wrong with all of its items alike, and violations of each."""

    items: list[Raw]
    shared: Mapping[str, Mapping[str, Raw]]
    sent_at: bytes | None
    problems: tuple[Problem, ...]


def open_batch(body: bytes) -> Batch | Unusable:
    """Read a body as a batch; the items are still unread. Never raises, whatever the bytes."""
    wrong = check_encoding(body)
    found = wrong or parse_object(body)
    if isinstance(found, Problem):
        return Unusable((found,))
    items = _items(found)
    if isinstance(items, Problem):
        return Unusable((items,))
    problems: list[Problem] = []
    if len(body) > BATCH_BYTES:
        size = f"the batch has {len(body)} bytes; the limit is {BATCH_BYTES}; send it as several"
        problems.append(Problem("", Code.TOO_LARGE, size))
    shared = {name: members for name in _SHARED if (members := _shared(name, found, problems))}
    repeated = sum(map(_size, shared.values())) * len(items)
    if len(body) + repeated > MERGED_BYTES:
        names = " and ".join(shared)
        message = f"the batch's {names}, repeated on each of its {len(items)} items, come to {repeated} bytes"
        return Unusable((Problem("", Code.TOO_LARGE, f"{message}; the limit is {MERGED_BYTES}"),))
    sent_at = found.get("sentAt")
    is_text = sent_at is not None and bytes(sent_at).startswith(b'"')
    return Batch(items, shared, bytes(sent_at) if sent_at and is_text else None, tuple(problems))


class Item(NamedTuple):
    """One item: its bytes with what the batch shares (as they came if that is too large), and what it is."""

    body: bytes
    found: Call | Unusable


def decode_items(
    batch: Batch, start: int, end: int, received_at: int, new_message_id: Callable[[], str]
) -> Iterator[Item]:
    """Decode the items from `start` up to `end`, each on its own merits. Never raises, whatever the bytes."""
    for raw in batch.items[start:end]:
        item = bytes(raw)
        merged = _merge(batch, item)
        if isinstance(merged, Problem):
            yield Item(item, Unusable((merged,)))
            continue
        call = _decode_item(merged, batch.sent_at, received_at, new_message_id)
        if batch.problems and isinstance(call, Call):
            call = msgspec.structs.replace(call, violations=(*batch.problems, *call.violations))
        yield Item(merged, call)


def _decode_item(
    item: bytes, sent_at: bytes | None, received_at: int, new_message_id: Callable[[], str]
) -> Call | Unusable:
    if len(item) > EVENT_BYTES:
        return Unusable((_too_large(len(item)),))
    if not item.startswith(b"{"):
        return Unusable((Problem("", Code.NOT_AN_OBJECT, "must be a call, which is a JSON object"),))
    wrong = check_depth(item)
    reading = wrong or read_members(item)
    if isinstance(reading, Problem):
        return Unusable((reading,))
    said = reading.members.type
    kind = TYPES.get(said or "")
    if kind is None:
        message = f"must be one of {', '.join(TYPES)}" + (f", not {excerpt(said)}" if said else "")
        return Unusable((*reading.problems, Problem("type", Code.UNKNOWN_TYPE, message)))
    if sent_at is not None and reading.members.sentAt is None:
        reading.rewrite["sentAt"] = sent_at
    return decode_read(item, reading, kind, received_at, new_message_id)


def _items(found: Mapping[str, Raw]) -> list[Raw] | Problem:
    value = bytes(found.get("batch", b""))
    if not value.startswith(b"["):
        return Problem("batch", Code.NOT_A_BATCH, "must be a list of calls")
    items = _LIST.decode(value)
    if not items:
        return Problem("batch", Code.NOT_A_BATCH, "is empty; send at least one call")
    if len(items) > ITEMS:
        return Problem("batch", Code.NOT_A_BATCH, f"has {len(items)} items; the limit is {ITEMS}; send it as several")
    return items


def _shared(name: str, found: Mapping[str, Raw], problems: list[Problem]) -> Mapping[str, Raw]:
    value = bytes(found.get(name, _NULL))
    if value.startswith(b"{"):
        return _OBJECT.decode(value)
    if value != _NULL:
        problems.append(Problem(name, Code.WRONG_TYPE, "must be an object"))
    return {}


def _merge(batch: Batch, item: bytes) -> bytes | Problem:
    """Return an item with what the batch shares; one that would be too large is measured, not built."""
    if not batch.shared or not item.startswith(b"{"):
        return item
    members = _OBJECT.decode(item)
    size = len(item)
    for name, shared in batch.shared.items():
        value = bytes(members.get(name, _NULL))
        if value == _NULL:
            own: Mapping[str, Raw] = {}
        elif value.startswith(b"{"):
            own = _OBJECT.decode(value)
        else:
            continue  # mistyped: said where the item is decoded
        size += _size(shared) - _size({key: shared[key] for key in own if key in shared})
        if size > EVENT_BYTES:
            return _too_large(size)
        members[name] = Raw(msgspec.json.encode({**shared, **own}))
    return msgspec.json.encode(members)


def _size(members: Mapping[str, Raw]) -> int:
    return sum(len(name) + len(bytes(value)) for name, value in members.items())


def _too_large(size: int) -> Problem:
    return Problem("", Code.TOO_LARGE, f"the event has {size} bytes with what it shares; the limit is {EVENT_BYTES}")
