"""Taking a JSON object or list apart where its quotes and brackets balance, whatever else is wrong inside.

The JSON decoder judges a text as a whole: half a character in one string and all of it is nothing. A batch that it
can't read is taken apart here, so that each piece stands on its own merits. Only brackets, commas,
quotes and the backslashes before them count; of the brackets inside a piece only how many open and close.

All bytes of a stretch are looked at together, by numpy, so that a text made of nothing but brackets takes no longer
than any other: a loop over the brackets takes seconds for the largest body.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

_SPACE: Final = b" \t\r\n"
_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_STRETCH: Final = 64 * 1024
_AT_ONCE: Final = 1_000
_LEVELS: Final = np.zeros(256, np.int8)
"""By how much a byte changes the level."""
_LEVELS[list(b"[{")] = 1
_LEVELS[list(b"]}")] = -1

_MEMBER: Final = re.compile(rb'("(?:[^"\\]++|\\.){0,1000}+")[ \t\r\n]*:(.*)', re.DOTALL)  # the count bounds its time


class Unbalanced(Exception):
    """The quotes and brackets of a text don't balance, so it has no pieces."""


class _Before(NamedTuple):
    """What the bytes before a stretch leave behind: at what level it begins, and whether in a string or escaped."""

    level: int = 0
    quoted: int = 0
    escaped: bool = False


def pieces(text: bytes, brackets: bytes) -> Iterator[bytes | None]:
    """Yield what stands between the commas of a text inside its outermost `brackets`, without the space around.

    A piece may be empty: between two commas, or between the brackets of an empty list. Yields None after a
    millisecond of work or less: others may have their turn then. Takes time linear in the bytes.
    Raises `Unbalanced`, possibly after some pieces.
    """
    text = text.strip(_SPACE)
    if text[:1] != brackets[:1]:
        raise Unbalanced
    values = np.frombuffer(text, np.uint8)
    begin, before = 1, _Before()
    for start in range(0, len(text), _STRETCH):
        cuts, before = _cuts(values[start : start + _STRETCH], before)
        for number, cut in enumerate(cuts.tolist()):
            if number % _AT_ONCE == _AT_ONCE - 1:
                yield None
            end = start + cut
            yield text[begin:end].strip(_SPACE)
            begin = end + 1
            if text[end] != _COMMA:
                if text[end] != brackets[1] or begin != len(text):
                    raise Unbalanced
                return
        yield None
    raise Unbalanced


def depth_of(text: bytes) -> int:
    """Return how deep the brackets of a text are nested, balanced or not. Takes time linear in the bytes."""
    values = np.frombuffer(text, np.uint8)
    deepest, before = 0, _Before()
    for start in range(0, len(text), _STRETCH):
        _, levels, before = _measure(values[start : start + _STRETCH], before)
        deepest = max(deepest, int(levels.max()))
    return deepest


def member_of(piece: bytes) -> tuple[str | None, bytes]:
    """Return the name and the value of a piece of an object, the value unread; no name if it can't be read."""
    found = _MEMBER.fullmatch(piece)
    if found is None:
        return None, piece
    try:
        return msgspec.json.decode(found[1], type=str), found[2].strip(_SPACE)
    except ValueError:  # no JSON, or no UTF-8
        return None, piece


class _Stretch(NamedTuple):
    """A part of a text: which bytes are in no string, the level after each, and what it leaves behind."""

    outside: NDArray[np.bool_]
    levels: NDArray[np.int32]
    after: _Before


def _cuts(values: NDArray[np.uint8], before: _Before) -> tuple[NDArray[np.intp], _Before]:
    """Return where the commas on the first level are and where it ends, and what this stretch leaves behind."""
    outside, levels, after = _measure(values, before)
    commas = (values == _COMMA) & (levels == 1)
    ends = (_LEVELS[values] < 0) & (levels == 0)
    return np.flatnonzero((commas | ends) & outside), after


def _measure(values: NDArray[np.uint8], before: _Before) -> _Stretch:
    escaped, leaves_escaped = _escaped(values, before.escaped)
    quotes = (values == _QUOTE) & ~escaped
    quoted = (np.add.accumulate(quotes, dtype=np.uint8) ^ before.quoted) & 1
    outside = quoted == 0
    levels = np.add.accumulate(_LEVELS[values] * outside, dtype=np.int32) + before.level
    return _Stretch(outside, levels, _Before(int(levels[-1]), int(quoted[-1]), leaves_escaped))


def _escaped(values: NDArray[np.uint8], first: bool) -> tuple[NDArray[np.bool_], bool]:  # noqa: FBT001  # a value, no switch
    """Tell which bytes follow a backslash that is not itself escaped, and whether the byte after them does."""
    escaped = np.zeros(len(values) + 1, np.bool_)
    escaped[0] = first
    backslashes = values == _BACKSLASH
    if backslashes.any():
        places = np.arange(1, len(values) + 1, dtype=np.int32)
        # How many backslashes stand here in a row: every other one escapes what follows it.
        others = np.maximum.accumulate(np.where(backslashes, 0, places))
        row = places - others + (first & (others == 0))
        escaped[1:] = backslashes & ((row & 1) == 1)
    return escaped[:-1], bool(escaped[-1])
