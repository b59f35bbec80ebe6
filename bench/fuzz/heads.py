"""Requests as bytes on a connection: heads and framings in the forms that attackers and old clients use."""

from random import Random
from typing import Final

from material import credential, encoded, hops, json_text, key_header, path_for
from mutation import mutated

_METHODS: Final = (*(b"POST",) * 20, b"GET", b"GET", b"HEAD", b"OPTIONS", b"PUT", b"CONNECT", b"PRI", b"post", b"")
_TARGETS: Final = (
    *(
        b"/v1/track",
        b"/v1/batch/",
        b"/v1/t?a=b",
        b"http://cdp.example.com/v1/track",
        b"http://eu.example.com",
        b"*",
        b"/",
    ),
    *(b"/v1/projects/fuzz-key/settings", b"/v1/projects/%ff/settings", b"/livez", b"/v1/m", b"//v1/track", b"/%2e%zz"),
)
_VERSIONS: Final = (*(b"HTTP/1.1",) * 20, b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.1 ", b"")
_GOOD: Final = (
    *(b"X-Strict-Mode: 1", b"X-Strict-Mode: 0", b"Expect: 100-continue", b"Connection: close", b"Origin: http://a"),
    *(
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c",
        b"Upgrade: websocket",
        b"Keep-Alive: 5",
        b"Trailer: Host",
    ),
    *(b"User-Agent: x", b"content-type:text/plain", b"X:", b"Cookie: a=b", b"Accept-Encoding: gzip", b"\x21: \xfe"),
)
_FIELDS: Final = (
    *_GOOD,
    *(b"Host: x", b"Host: [::1]:80", b"Host:", b"host: a b", b"Content-Encoding: gzip", b"X\0: y", b": v", b"no colon"),
    *(b"Content-Length: 3", b"Content-Length: +3", b"Content-Length: 3, 3", b"Content-Length: 99999999999999999999"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked", b" folded"),
    *(b"transfer-encoding:\tCHUNKED", b"A: b\nC: d", b"Expect: 200-ok", b"Authorization: x"),
)
_WORDS: Final = (
    *_FIELDS,
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"0\r\nHost: z\r\n\r\n",
        b"1\r\na\r\n",
        b"ffffffffffffffff\r\n",
    ),
    *(
        b" ",
        b"\t",
        b"\0",
        b"\x0b",
        b":",
        b'3;ext="',
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\xef\xbb\xbf",
        b"GET /x\r\n",
    ),
)


def request(random: Random) -> bytes:
    """Make one request, or nearly."""
    body = encoded(random, json_text(random))
    line = b" ".join((random.choice(_METHODS), _target(random, body.plain), random.choice(_VERSIONS)))
    fields = [] if random.randrange(30) == 0 else [b"Host: cdp.example.com"]
    if random.randrange(6):
        fields.append(b"Authorization: " + key_header(random))
    some = _FIELDS if random.randrange(6) == 0 else _GOOD
    fields += (random.choice(some) for _ in range(random.choice((0, 0, 1, 1, 2, 5))))
    if random.randrange(8) == 0:
        fields.append(random.choice((b"X-Forwarded-Host: ", b"X-Forwarded-For: ", b"Forwarded: ")) + hops(random))
    if random.randrange(60) == 0:
        fields.append(b"Authorization: " + credential(random))
    if body.encoding:
        fields.append(b"Content-Encoding: " + body.encoding)
    framing, content = _framed(random, body.wire)
    random.shuffle(fields)
    return b"\r\n".join([line, *fields, *framing, b"", b""]) + content


def stream(random: Random) -> bytes:
    """Make what comes on one connection: some requests one after the other, often with something wrong in them."""
    sent = b"".join(request(random) for _ in range(random.choice((1, 1, 1, 2, 3))))
    return sent if random.randrange(3) else mutated(random, sent, _WORDS)


def _target(random: Random, body: bytes) -> bytes:
    if random.randrange(6):
        return path_for(random, body).encode()
    return random.choice(_TARGETS) + b"/" * random.choice((0, 0, 0, 1, 3, 9000))


def _framed(random: Random, body: bytes) -> tuple[list[bytes], bytes]:
    match random.randrange(12):
        case 0 | 1 | 4:
            return [b"Transfer-Encoding: chunked"], _chunks(random, body)
        case 2:
            return [], random.choice((b"", body))
        case 3:
            return [b"Content-Length: %d" % max(0, len(body) + random.randrange(-3, 4))], body
        case _:
            return [b"Content-Length: %d" % len(body)], body


def _chunks(random: Random, body: bytes) -> bytes:
    size = random.choice((1, 7, 100, 5000)) if len(body) < 1000 else 5000  # noqa: PLR2004  # of that, large ones only
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    extension = random.choice((b"", b"", b";a=b", b';a="\\"', b" "))
    trailer = random.choice(
        (b"", b"", b"Authorization: Bearer strict-key\r\n", b"Host: z\r\n", b"X-Strict-Mode: 1\r\n")
    )
    return b"".join(b"%x%b\r\n%b\r\n" % (len(one), extension, one) for one in parts) + b"0\r\n" + trailer + b"\r\n"
