"""Reading an NDJSON file of calls: lines into batches that the batch endpoint takes."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

import msgspec
from msgspec import Raw

from postroad.contract.limits import BATCH_BYTES

BATCH_CALLS: Final = 200
"""Calls that one request has."""

_MARGIN = 1024
_LONGEST = 4 << 20


class CallLine(NamedTuple):
    """One line. `why` says what is wrong with a line that is no call; `body` is empty then."""

    line: int
    body: bytes
    why: str = ""


class CallBatch(NamedTuple):
    """Lines that are sent together. `size` is the bytes of the file that they take, empty lines included, and
    `last` the number of the last one.
    """

    calls: list[CallLine]
    size: int
    last: int

    @property
    def body(self) -> bytes:
        """The body of the request."""
        return b'{"batch":[%b]}' % b",".join(call.body for call in self.calls if not call.why)


_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def read_batches(file: BinaryIO, skip: int) -> Iterator[CallBatch]:
    """Yield the lines behind the first `skip` ones."""
    calls: list[CallLine] = []  # of the batch to come
    size = weight = number = 0
    for number, text in enumerate(_lines(file), 1):
        if number <= skip:
            size += len(text)
            continue
        call = read_call(number, text) if text.strip() else None
        more = len(call.body) + 1 if call else 0
        if calls and (len(calls) >= BATCH_CALLS or weight + more > BATCH_BYTES - _MARGIN):
            yield CallBatch(calls, size, number - 1)
            calls, size, weight = [], 0, 0
        size += len(text)
        if call:
            calls.append(call)
            weight += more
    if calls or size:
        yield CallBatch(calls, size, number)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; of one that is too long its beginning, which is no JSON."""
    while text := file.readline(_LONGEST):
        rest = text
        while len(rest) == _LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(_LONGEST)
        yield text


def read_call(number: int, text: bytes) -> CallLine:
    """Read a line: a call, or one of `postroad export`, whose event is the call.

    A call without a messageId gets one that is the same each time that this line is read.
    """
    try:
        members = _OBJECT.decode(text)
        if bytes(members.get("postroad", b"")).startswith(b"{") and bytes(members.get("event", b"")).startswith(b"{"):
            text = bytes(members["event"])
            members = _OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return CallLine(number, b"", f"is not a JSON object: {error}")
    if bytes(members.get("messageId", b"null")) in {b"null", b'""'}:
        digest = hashlib.sha256(text.strip()).hexdigest()[:32]
        members["messageId"] = Raw(msgspec.json.encode(f"import-{digest}-{number}"))
        text = msgspec.json.encode(members)
    return CallLine(number, text.strip())
