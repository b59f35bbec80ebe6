"""The items of a batch, each decoded on its own merits with what they share.

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
from postroad.contract.envelope import Batch, size_of_members
from postroad.contract.limits import EVENT_BYTES
from postroad.contract.members import excerpt, read_members
from postroad.contract.violations import Code, Problem

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_NULL = b"null"
_ITEM = "the item"


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
        merged = check_encoding(item, _ITEM) or _merge(batch, item)
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
    reading = wrong or read_members(item, _ITEM)
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


def _merge(batch: Batch, item: bytes) -> bytes | Problem:
    """Return an item with what the batch shares; one that would be too large is measured, not built."""
    if not batch.shared or not item.startswith(b"{"):
        return item
    if len(item) > EVENT_BYTES:
        return item  # said where the item is decoded
    members = parse_object(item, _ITEM)
    if isinstance(members, Problem):
        return members
    size = len(item)
    for name, shared in batch.shared.items():
        value = bytes(members.get(name, _NULL))
        if value == _NULL:
            own: Mapping[str, Raw] = {}
        elif value.startswith(b"{"):
            own = _OBJECT.decode(value)
        else:
            continue  # mistyped: said where the item is decoded
        size += size_of_members(shared) - size_of_members({key: shared[key] for key in own if key in shared})
        if size > EVENT_BYTES:
            return _too_large(size)
        members[name] = Raw(msgspec.json.encode({**shared, **own}))
    return msgspec.json.encode(members)


def _too_large(size: int) -> Problem:
    return Problem("", Code.TOO_LARGE, f"the event has {size} bytes with what it shares; the limit is {EVENT_BYTES}")
