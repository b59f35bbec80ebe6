"""Bytes that are nearly right: pieces of what real clients send, cut, doubled, moved, and mixed with odd ones."""

import re
from collections.abc import Sequence
from random import Random
from typing import Final

LARGE: Final = 50
"""One case in so many has a piece that is repeated until it is large: what takes too long shows there only."""
_LARGEST: Final = 48 * 1024
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[-+.\w]++|\s++|.', re.DOTALL)
_FEW: Final = (0, 1, 1, 1, 2, 2, 3, 6)

NAMES: Final = (
    *(b'"type"', b'"event"', b'"userId"', b'"anonymousId"', b'"previousId"', b'"groupId"', b'"messageId"', b'"ip"'),
    *(b'"timestamp"', b'"originalTimestamp"', b'"sentAt"', b'"receivedAt"', b'"properties"', b'"traits"', b'"batch"'),
    *(b'"context"', b'"integrations"', b'"writeKey"', b'"email"', b'"email_id"', b'"list_id"', b'"All"', b'"channel"'),
)
VALUES: Final = (
    *(b"null", b"true", b"0", b"-0", b"1e999", b"1e-999", b"9" * 30, b"9" * 5000, b"1.5", b"{}", b"[]", b"[[]]"),
    *(b'""', b'" "', b'"\\ud83d\\ude00"', b'"\\u0000"', b'{"":{}}', b'{"a":{"b":1}}', b'"a@b"', b"[" * 50 + b"]" * 50),
    *(b'"Email Opened"', b'"Email Bounced"', b'"Unsubscribed"', b'" email opened "', b'"track"', b'"alias"'),
    *(b'"2024-01-15T10:30:00Z"', b'"20240115"', b'"9999-12-31T23:59:60+99:99"', b'"0000-01-01"', b"253402300800000"),
    *(
        b'"fuzz-key"',
        b'"strict-key"',
        b'"pk_us_fuzz"',
        b'"pk_eu_abc"',
        b'"\\u0066uzz-key"',
        b"-62135596800001",
        b"1705314600123",
    ),
    *(b'"m1"', b'"m3"', b'"user_12345"', b'"User Deleted"', b'"Report Delivery Event"', b'"\\n\\r\\t\\/"', b'"x"'),
)
"""Values of JSON that mean something here, or are hard to take."""
ODD: Final = (
    *NAMES,
    *VALUES,
    *(b"01", b"NaN", b"-", b'"\\ud800"', b'"\xff"', b'"\\q"', b'"\x00"', b'"', b"\\", b"[" * 70 + b"]" * 70),
    *(b"{", b"}", b"[", b"]", b",", b":", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\0"),
    *(b'"writeKey":"fuzz-key",', b'"batch":[{}],', b'"context":{"a":1},'),
)
"""Tokens of JSON, right and wrong."""


def tokens(text: bytes) -> tuple[bytes, ...]:
    """Return the tokens of a JSON text, whatever it is."""
    return tuple(_TOKENS.findall(text))


def mutated_json(random: Random, seed: Sequence[bytes]) -> bytes:
    """Return a text made of these tokens, some of them exchanged, doubled, gone, or in another place."""
    found = list(seed)
    if random.randrange(2):
        return b"".join(_revalued(random, found))
    for _ in range(random.choice(_FEW)):
        at = random.randrange(len(found) + 1)
        match random.randrange(6):
            case 0:
                found[at : at + 1] = [random.choice(ODD)]
            case 1:
                found.insert(at, random.choice(ODD))
            case 2:
                del found[at : at + random.choice((1, 1, 2, 4))]
            case 3:
                found[at:at] = found[at : at + random.randrange(30)]
            case 4:
                other = random.randrange(len(found) + 1)
                found[at : at + 1], found[other : other + 1] = found[other : other + 1], found[at : at + 1]
            case _:
                found[at : at + 3] = [random.choice(NAMES), b":", random.choice(ODD)]
    if random.randrange(LARGE) == 0:
        at = random.randrange(len(found) + 1)
        found[at:at] = [repeated(random, b"".join(found[at : at + random.randrange(1, 20)]))]
    return b"".join(found)


def _revalued(random: Random, found: list[bytes]) -> list[bytes]:
    """Exchange values, names too, and leave the rest as it is: JSON stays JSON."""
    places = [at for at, token in enumerate(found) if token[:1] == b'"']
    for _ in range(random.choice(_FEW)):
        at = random.choice(places)
        is_name = found[at + 1 : at + 2] == [b":"]
        found[at] = random.choice(NAMES if is_name else VALUES)
    if random.randrange(LARGE) == 0:
        found[random.choice(places)] = b'"%b"' % repeated(random, random.choice((b"x", b"\\u0040", b"\\\\", b"@,")))
    return found


def mutated(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """Return bytes with some pieces gone, doubled, or exchanged for words or for anything."""
    for _ in range(random.choice(_FEW)):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((0, 1, 1, 2, 8, 40)))
        match random.randrange(6):
            case 0:
                piece = random.randbytes(random.choice((1, 1, 2, 9)))
            case 1 | 2:
                piece = random.choice(words)
            case 3:
                piece = b""
            case 4:
                piece = data[start:end] * 2
            case _:
                piece = data[random.randrange(len(data) + 1) :][: random.randrange(20)]
        data = data[:start] + piece + data[end:]
    if random.randrange(LARGE) == 0:
        start = random.randrange(len(data) + 1)
        piece = random.choice((random.choice(words), data[start : start + random.randrange(1, 20)]))
        data = data[:start] + repeated(random, piece) + data[start:]
    return data


def repeated(random: Random, piece: bytes) -> bytes:
    """Return a piece so often that it is large."""
    return piece * (random.randrange(1, _LARGEST) // (len(piece) + 1))


def cut(random: Random, data: bytes) -> list[bytes]:
    """Return the same bytes in pieces, seldom one by one."""
    if len(data) < 400 and random.randrange(16) == 0:  # noqa: PLR2004  # more would take too long
        return [data[at : at + 1] for at in range(len(data))]
    places = sorted(random.randrange(len(data) + 1) for _ in range(random.choice((0, 0, 1, 2, 5))))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True) if end > start]
