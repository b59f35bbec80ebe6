"""What the cases are made of: requests of real clients, and calls and heads in the forms that mean something."""

import base64
import gzip
import zlib
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from mutation import mutated, mutated_json, repeated, tokens

KEY: Final = "fuzz-key"
STRICT_KEY: Final = "strict-key"
PUBLIC_KEY: Final = "pk_us_fuzz"
_SINGLE: Final = ("track", "track", "t", "identify", "i", "page", "screen", "group", "alias")
BATCHES: Final = ("batch", "b", "import")
_CLIENTS: Final = Path(__file__).parents[2] / "tests" / "golden" / "clients"
_CALL: Final = b'{"userId":"u","event":"Email Opened","messageId":"%b","properties":{"email_id":"1"}%b}'
_SEEDS: Final = (
    *(file.read_bytes().partition(b"\n\n")[2].strip() for file in sorted(_CLIENTS.glob("*.http"))),
    _CALL % (b"m1", b""),
    _CALL % (b"m2", b',"writeKey":"fuzz-key","context":{"traits":{"email":"a@b"}},"integrations":{"All":false}'),
    b'{"type":"identify","userId":7,"traits":{"email":"a@b"},"timestamp":"2024-01-15T10:30:00Z"}',
    b'{"previousId":"a","userId":"b"}',
    b'{"groupId":"g","anonymousId":"a","timestamp":1705314600123}',
    b'{"batch":[%b,%b,{"type":"page","userId":"u"}],"writeKey":"fuzz-key","context":{"a":{"b":1}},"sentAt":"2024"}'
    % (_CALL % (b"m3", b',"type":"track"'), _CALL % (b"m4", b',"type":"t","writeKey":"strict-key"')),
    b'{"batch":[{},0,null,"a",[]],"integrations":{"All":1}}',
)
JSON: Final = tuple(tokens(seed) for seed in _SEEDS if seed)

_CREDENTIALS: Final = tuple(
    scheme + form
    for scheme in (b"Basic ", b"basic  ", b"Bearer ", b"Basic\t", b"Digest ", b"")
    for key in (b"fuzz-key", b"strict-key", b"pk_us_fuzz", b"nobodys", b"pk_eu_abc", b"")
    for form in (base64.b64encode(key + b":"), base64.b64encode(key).rstrip(b"="), key, key + b":x")
)
_CREDENTIAL_WORDS: Final = (b"=", b"==", b":", b" ", b"Basic", b"Bearer ", b"\xff", b"\0", b"\t", b"-_", b"/+", b"AAAA")
_HOPS: Final = (
    b"for=192.0.2.43;proto=https;by=203.0.113.60",
    b'For="[2001:db8:cafe::17]:4711"',
    b'for=10.0.0.1;host="cdp.example.com:443";proto=HTTP, for=_hidden, for=127.0.0.1',
    b"192.0.2.1, 10.0.0.1, 127.0.0.1:80",
    b"cdp.example.com",
    b"eu.example.com:443",
    b"https",
    b"",
)
_HOP_WORDS: Final = (
    b",",
    b";",
    b"=",
    b'"',
    b'\\"',
    b"\\",
    b"for=",
    b'="',
    b" ",
    b"\t",
    b"[",
    b"]",
    b":",
    b"::",
    b"%00",
)
_GZIP_WORDS: Final = (b"\x1f\x8b\x08", b"\0\0", b"\xff\xff", b"\x78\x9c", b"\x03\x00", gzip.compress(b"{}"))


class Coded(NamedTuple):
    """A body as it is on the wire, how it says that it is encoded, and its bytes without that."""

    wire: bytes
    encoding: bytes
    plain: bytes

    @property
    def size(self) -> int:
        """The bytes that it may take time for."""
        return len(self.wire) + len(self.plain)


def json_text(random: Random) -> bytes:
    """Make a body: a call, a batch, nearly one of them, seldom anything."""
    if random.randrange(20) == 0:
        return random.randbytes(random.choice((0, 1, 5, 60)))
    return mutated_json(random, random.choice(JSON))


def encoded(random: Random, plain: bytes) -> Coded:
    """Encode a body, more or less well."""
    match random.randrange(8):
        case 0 | 1:
            wire, encoding = gzip.compress(plain, 1), random.choice((b"gzip", b"x-gzip", b" GZIP ", b"deflate"))
        case 2:
            wire, encoding = zlib.compress(plain, 1), b"deflate"
        case 3:
            wire, encoding = zlib.compress(plain, 1)[2:-4], random.choice((b"deflate", b"gzip"))
        case 4:
            parts = random.choice((1, 2, 3, 99, 100, 120))
            wire, encoding = gzip.compress(plain[:64], 1) * parts, b"gzip"
            plain = plain[:64] * parts
        case 5:
            plain = repeated(random, plain[: random.randrange(1, 2000)]) * random.choice((1, 1, 8, 30))
            wire, encoding = gzip.compress(plain, 1), b"gzip"
        case _:
            return Coded(plain, random.choice((b"", b"", b"identity", b"br", b"gzip, gzip", b"\xff")), plain)
    if random.randrange(5) == 0:
        wire = mutated(random, wire, _GZIP_WORDS)
    return Coded(wire, encoding, plain)


def credential(random: Random) -> bytes:
    """Make the value of an Authorization header, right or nearly."""
    return mutated(random, random.choice(_CREDENTIALS), _CREDENTIAL_WORDS)


def hops(random: Random) -> bytes:
    """Make the value of a header that proxies write."""
    value = mutated(random, random.choice(_HOPS), _HOP_WORDS)
    return value.translate(None, b"\r\n")


def path_for(random: Random, body: bytes) -> str:
    """Choose where to send a body: mostly where it belongs."""
    belongs = BATCHES if b'"batch"' in body else _SINGLE
    return "/v1/" + random.choice(belongs if random.randrange(8) else (*BATCHES, *_SINGLE))


def key_header(random: Random) -> bytes:
    """Make an Authorization that mostly holds a known key."""
    if random.randrange(8):
        return b"Bearer " + random.choice((KEY, KEY, KEY, PUBLIC_KEY, STRICT_KEY)).encode()
    return credential(random)
