"""The envelope of a batch: its items apart, still unread, and what stands beside them.

A good batch is decoded at once, unless it has so many commas that its items are better counted before they are made.
One that the decoder refuses is taken apart by its quotes and brackets, so that what is wrong with one item, or with a
member beside `batch`, costs only itself. What can't be read beside `batch` is left out and a violation: of `context`
and `integrations` only those of their members that can't be read. Where that may have said who must not get the
events, nobody does who isn't named.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from postroad.contract.decode import Unusable
from postroad.contract.document import check_depth, check_encoding, parse_object
from postroad.contract.limits import BATCH_BYTES, DEPTH, EVENT_BYTES, ITEMS, MERGED_BYTES
from postroad.contract.members import encode, excerpt
from postroad.contract.split import Unbalanced, member_of, pieces
from postroad.contract.timestamps import check_timestamp
from postroad.contract.violations import Code, Problem

Steps = Generator[None, None, "Batch | Unusable"]


class Batch(NamedTuple):
    """A body that is a batch. `problems` are wrong with all of its items alike, and violations of each."""

    items: Sequence[Raw | bytes]
    shared: Mapping[str, Mapping[str, Raw]]
    sent_at: bytes | None
    write_key: str | None
    problems: tuple[Problem, ...]


class _Envelope(msgspec.Struct):
    batch: Raw = Raw(b"")
    context: Raw = Raw(b"null")
    integrations: Raw = Raw(b"null")
    sentAt: Raw = Raw(b"null")
    writeKey: Raw = Raw(b"null")


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_LIST = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ANY = msgspec.json.Decoder(Raw)
_UNREADABLE = (ValueError, RecursionError)  # no JSON or no UTF-8; too deep
_SHARED: Final = ("context", "integrations")
_ALL: Final = ("All", "all")
_NOBODY: Final = Raw(b"false")
_TEXTS: Final = ("sentAt", "writeKey")
_COMMAS: Final = 4 * ITEMS
"""Commas in a body above which it is taken apart at once, its items counted meanwhile: the decoder would first make an
object of each, and there may be millions. A batch of good items within the limit has fewer.
"""
_FEW: Final = 1_000
"""Commas up to which it is cheaper to make all items than to look for the end of the first."""
_MOST: Final = ITEMS
_AT_ONCE: Final = 250


class _Refused(Exception):
    """The body is no batch."""

    def __init__(self, code: Code, message: str, path: str = "batch") -> None:
        self.problem = Problem(path, code, message)


def open_batch(body: bytes) -> Batch | Unusable:
    """Read a body as a batch, at once. Never raises, whatever the bytes."""
    steps = open_in_steps(body)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Batch | Unusable = end.value
            return found


def open_in_steps(body: bytes) -> Steps:
    """Read a body as a batch, and return it; the items are still unread. Never raises, whatever the bytes.

    Yields between steps of a few milliseconds.
    """
    try:
        return (yield from _open(body))
    except _Refused as refused:
        return Unusable((refused.problem,))
    except Unbalanced:
        wrong = check_encoding(body) or parse_object(body)
        return Unusable((wrong if isinstance(wrong, Problem) else Problem("", Code.NOT_JSON, "the body is not JSON"),))


def _open(body: bytes) -> Steps:
    problems: list[Problem] = []
    if len(body) > BATCH_BYTES:
        size = f"the batch has {len(body)} bytes; the limit is {BATCH_BYTES}; send it as several"
        problems.append(Problem("", Code.TOO_LARGE, size))
    try:
        envelope = _read(body)
        _demand_list(envelope)
        items: Sequence[Raw | bytes] = _LIST.decode(envelope.batch)
    except _UNREADABLE:
        envelope = yield from _take_apart(body, problems)
        _demand_list(envelope)
        items = yield from _items(bytes(envelope.batch))
    if not items:
        raise _Refused(Code.NOT_A_BATCH, "is empty; send at least one call")
    if len(items) > ITEMS:
        raise _Refused(Code.NOT_A_BATCH, f"has more than {ITEMS} items, the limit; send it as several")
    shared = {}
    for name in _SHARED:
        members = yield from _share(name, bytes(getattr(envelope, name)), problems)
        if members:
            shared[name] = members
    _demand_room(body, items, shared)
    sent_at = _sent_at(envelope, problems)
    key = _text(envelope.writeKey)
    return Batch(items, shared, sent_at, key or None, tuple(problems))


def first_item_in_steps(body: bytes) -> Generator[None, None, tuple[str | None, bytes]]:
    """Return what may say whose a batch is: its own `writeKey`, and its first item, still unread. No other item is
    made, and whether they are any good doesn't matter; there is no item in what is no batch. Never raises, whatever
    the bytes.
    """
    try:
        try:
            envelope = _read(body)
        except _UNREADABLE:
            envelope = yield from _take_apart(body, [])
        own = _text(envelope.writeKey)
    except (_Refused, Unbalanced, *_UNREADABLE):
        return None, b""
    return own, (yield from _first(bytes(envelope.batch)))


def _first(value: bytes) -> Generator[None, None, bytes]:
    try:
        if value.startswith(b"[") and value.count(b",") <= _FEW:
            return next((bytes(item) for item in _LIST.decode(value)), b"")
    except _UNREADABLE:
        pass
    try:
        for piece in pieces(value, b"[]"):
            if piece is not None:
                return piece
            yield
    except Unbalanced:
        pass
    return b""


def _read(body: bytes) -> _Envelope:
    """Raises what is in `_UNREADABLE`, also where the decoder would be busy for long."""
    if body.count(b",") > _COMMAS:
        raise ValueError("better taken apart")
    body.decode()
    return _ENVELOPE.decode(body)


def _demand_list(envelope: _Envelope) -> None:
    if bytes(memoryview(envelope.batch)[:1]) != b"[":
        raise _Refused(Code.NOT_A_BATCH, "must be a list of calls")


class _LeftOut:
    """Counts the members of an object that can't be read, and says so once: each item carries what is said."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._first: Problem | None = None
        self._more = 0

    def add(self, name: str | None, code: Code) -> None:
        """Count one; None stands for a name that can't be read either."""
        if self._first is not None:
            self._more += 1
            return
        why = "is nested too deeply" if code is Code.TOO_DEEP else "can't be read as JSON"
        what = why if name is not None else f"has a member that {why}"
        path = self._prefix if name is None else f"{self._prefix}.{excerpt(name)}"
        self._first = Problem(path.removeprefix("."), code, f"{what}, and was left out")

    def tell(self, problems: list[Problem]) -> None:
        """Add what there is to say."""
        if self._first is None:
            return
        more = f"; so were {self._more} more" if self._more else ""
        problems.append(msgspec.structs.replace(self._first, message=self._first.message + more))


def _take_apart(body: bytes, problems: list[Problem]) -> Generator[None, None, _Envelope]:
    envelope, bad = _Envelope(), _LeftOut()
    for member in _members(body):
        if member is None:
            yield
            continue
        name, value = member
        if name == "batch" or name in _SHARED:  # taken apart in their turn
            setattr(envelope, name, Raw(value))
        elif (code := _why_unreadable(name, value)) is not None:
            bad.add(name, code)
        elif name in _TEXTS:
            setattr(envelope, name, Raw(value))
    bad.tell(problems)
    yield
    return envelope


def _members(text: bytes) -> Iterator[tuple[str | None, bytes] | None]:
    """Yield the members of an object by hand, and None for a pause."""
    count = 0
    for piece in pieces(text, b"{}"):
        if piece is None:
            yield None
            continue
        count += 1
        if count > _MOST:
            raise _Refused(Code.TOO_LARGE, f"an object has more than {_MOST} members that had to be told apart", "")
        if count % _AT_ONCE == 0:
            yield None
        yield member_of(piece)


def _why_unreadable(name: str | None, value: bytes) -> Code | None:
    if name is None:
        return Code.NOT_JSON
    try:
        value.decode()
        _ANY.decode(value)
    except RecursionError:
        return Code.TOO_DEEP
    except ValueError:
        return Code.NOT_JSON
    return None


def _items(value: bytes) -> Generator[None, None, Sequence[bytes]]:
    items = []
    for piece in pieces(value, b"[]"):
        if piece is None:
            yield
            continue
        items.append(piece)
        if len(items) > ITEMS:
            break
    return [] if items == [b""] else items


def _share(name: str, value: bytes, problems: list[Problem]) -> Generator[None, None, Mapping[str, Raw]]:
    """Return the members that `context` or `integrations` gives to each item."""
    if not value.startswith(b"{"):
        if value != b"null":
            problems.append(Problem(name, Code.WRONG_TYPE, "must be an object"))
        return {}
    try:
        value.decode()
        if not _is_deeper(value, DEPTH - 1):
            return _OBJECT.decode(value)
    except _UNREADABLE:
        pass
    return (yield from _share_readable(name, value, problems))


def _share_readable(name: str, value: bytes, problems: list[Problem]) -> Generator[None, None, Mapping[str, Raw]]:
    members: dict[str, Raw] = {}
    bad, nameless = _LeftOut(name), False
    try:
        for member in _members(value):
            if member is None:
                yield
                continue
            key, one = member
            code = _why_unreadable(key, one) or (Code.TOO_DEEP if _is_deeper(one, DEPTH - 2) else None)
            if code is not None:
                bad.add(key, code)
                nameless = nameless or key is None
            if key is not None and (code is None or key in _ALL):
                members[key] = Raw(one) if code is None else _NOBODY
    except Unbalanced:
        bad.add(None, Code.NOT_JSON)
        members, nameless = {}, True
    bad.tell(problems)
    if nameless and name == "integrations":
        members.setdefault(_ALL[0], _NOBODY)
    return members


def _is_deeper(value: bytes, most: int) -> bool:
    """Tell whether a value would make an item too deep; one that makes it too large needs no look."""
    return len(value) <= EVENT_BYTES and check_depth(value, most) is not None


def _demand_room(body: bytes, items: Sequence[Raw | bytes], shared: Mapping[str, Mapping[str, Raw]]) -> None:
    repeated = sum(map(size_of_members, shared.values())) * len(items)
    if len(body) + repeated > MERGED_BYTES:
        names = " and ".join(shared)
        message = f"the batch's {names}, repeated on each of its {len(items)} items, come to {repeated} bytes"
        raise _Refused(Code.TOO_LARGE, f"{message}; the limit is {MERGED_BYTES}", "")


def size_of_members(members: Mapping[str, Raw]) -> int:
    """Return about how many bytes members take when they are written."""
    return sum(len(name) + len(bytes(value)) for name, value in members.items())


def _sent_at(envelope: _Envelope, problems: list[Problem]) -> bytes | None:
    if bytes(envelope.sentAt) == b"null":
        return None
    text = _text(envelope.sentAt)
    if text is None:
        problems.append(Problem("sentAt", Code.WRONG_TYPE, "must be a string"))
        return None
    checked = check_timestamp(text)
    if checked is None:
        problems.append(Problem("sentAt", Code.BAD_TIMESTAMP, f"is not a date-time of RFC 3339: {excerpt(text)}"))
        return None
    return encode(checked)


def _text(value: Raw) -> str | None:
    return msgspec.json.decode(value, type=str) if bytes(value).startswith(b'"') else None
