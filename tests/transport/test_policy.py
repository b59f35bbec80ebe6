"""The table of the transport, row by row, on both addresses: at once, in segments, and behind a good request."""

import json

import pytest
from sockets import Address

H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
WEBSOCKET = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")

TAKEN = {
    "plain": lambda a: a.call(),
    "chunked": lambda a: a.chunked(),
    "chunked in capitals": lambda a: a.chunked().replace(b"chunked", b"CHUNKED"),
    "chunk extension": lambda a: a.chunked().replace(b"0\r\n\r\n", b"0;name=value\r\n\r\n"),
    "upgrade to h2c": lambda a: a.call(*H2C),
    "upgrade to h2c, chunked": lambda a: a.chunked(*H2C),
    "upgrade to websocket": lambda a: a.call(*WEBSOCKET),
    "upgrade, in capitals": lambda a: a.call(b"CONNECTION: UPGRADE", b"UPGRADE: H2C"),
    "trailers": lambda a: a.chunked(trailers=b"X-Checksum: 1\r\n"),
    "trailer Authorization": lambda a: a.chunked(trailers=b"Authorization: Bearer nobody\r\n"),
    "trailer Host": lambda a: a.chunked(trailers=b"Host: elsewhere\r\nX-Strict-Mode: 0\r\n"),
    "absolute form": lambda a: a.call(line=b"POST http://y:1%b HTTP/1.1" % a.line),
    "absolute form, in capitals": lambda a: a.call(line=b"POST HTTPS://Y%b HTTP/1.1" % a.line),
    "slash at the end": lambda a: a.call(line=b"POST %b/ HTTP/1.1" % a.line),
    "slashes and a query": lambda a: a.call(line=b"POST %b//?a=/b/ HTTP/1.1" % a.line),
    "an empty line before it": lambda a: b"\r\n" + a.call(),
    "blanks around a value": lambda a: a.call().replace(b"Host: x", b"Host: \t x \t "),
    "a host with an empty port": lambda a: a.call().replace(b"Host: x", b"Host: x:"),
    "a host in brackets": lambda a: a.call().replace(b"Host: x", b"Host: [::1]:80"),
    "no blank before a value": lambda a: a.call().replace(b"Host: x", b"Host:x"),
    "an expectation nobody knows": lambda a: a.call(b"Expect: the-unexpected"),
}
LAST = {
    "HTTP/1.0": lambda a: a.call(line=b"POST %b HTTP/1.0" % a.line),
    "HTTP/1.0 without Host": lambda a: a.call(line=b"POST %b HTTP/1.0" % a.line).replace(b"Host: x\r\n", b""),
    "close": lambda a: a.call(b"Connection: close"),
    "upgrade and close": lambda a: a.call(b"Connection: close, Upgrade", b"Upgrade: h2c"),
}
FIELDS = {
    "bare LF behind a field": b"X: a\nY: b",
    "bare CR behind a field": b"X: a\rY: b",
    "folded": b"X: a\r\n b",
    "NUL": b"X: a\0b",
    "control character": b"X: a\x01b",
    "blank before the colon": b"X : a",
    "no colon": b"X",
    "no name": b": a",
    "a name with a high byte": b"X\xff: a",
    "two Host": b"Host: x",
    "two Authorization": b"Authorization: Bearer x",
    "Content-Length twice": b"Content-Length: 1",
    "Transfer-Encoding beside Content-Length": b"Transfer-Encoding: chunked",
}
LENGTHS = (b"+1", b"-1", b"1 1", b"1, 1", b"0x1", b"1_0", b"", b"9" * 30, b"1;", b"\xb2")
CODINGS = (b"gzip, chunked", b"identity", b"chunked, chunked", b"chunked;x=1", b"xchunked", b"gzip", b"")
LINES = (
    b"POST %b HTTP/2.0",
    b"POST %b HTTP/0.9",
    b"POST %b HTTP/1.2",
    b"POST %b HTTP/1.10",
    b"POST %b http/1.1",
    b"POST %b RTSP/1.1",
    b"POST %b",
    b"POST  %b HTTP/1.1",
    b"POST\t%b HTTP/1.1",
    b" POST %b HTTP/1.1",
    b"POST %b HTTP/1.1 ",
    b"POST %b\0 HTTP/1.1",
    b"POST %b#x HTTP/1.1",
    b"post %b HTTP/1.1",
    b"NONSENSE %b HTTP/1.1",
)
CHUNKS = (
    b"0x1\r\nx\r\n",
    b"+1\r\nx\r\n",
    b"1 \r\nx\r\n",
    b"1\nx\r\n",
    b"1\r\nxx\r\n",
    b"f" * 17 + b"\r\nx\r\n",
    b"\r\n",
)

REFUSED = {
    **{name: (lambda a, field=field: a.call(field), 400) for name, field in FIELDS.items()},
    **{
        f"Content-Length {value!r}": (
            lambda a, value=value: a.head(b"Host: x", b"Content-Length: " + value) + a.body,
            400,
        )
        for value in LENGTHS
    },
    **{
        f"Transfer-Encoding {value!r}": (
            lambda a, value=value: a.chunked().replace(b"g: chunked", b"g: " + value),
            400,
        )
        for value in CODINGS
    },
    **{f"line {line!r}": (lambda a, line=line: a.call(line=line.replace(b"%b", a.line)), 400) for line in LINES},
    **{
        f"chunk {chunk[:20]!r}": (
            lambda a, chunk=chunk: a.head(b"Host: x", b"Transfer-Encoding: chunked") + chunk + b"0\r\n\r\n",
            400,
        )
        for chunk in CHUNKS
    },
    "Transfer-Encoding twice": (lambda a: a.chunked(b"Transfer-Encoding: chunked"), 400),
    "Transfer-Encoding in HTTP/1.0": (lambda a: a.chunked().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "no Host": (lambda a: a.call().replace(b"Host: x\r\n", b""), 400),
    "two Host in HTTP/1.0": (lambda a: a.call(b"Host: y", line=b"POST %b HTTP/1.0" % a.line), 400),
    "a Host that is none": (lambda a: a.call().replace(b"Host: x", b"Host: x/y"), 400),
    **{
        f"Host {host!r}": (lambda a, host=host: a.call().replace(b"Host: x", b"Host: " + host), 400)
        for host in (b"x:y", b"x:1:2", b"x:-1", b"x:999999", b"[::1", b"::1", b"a]b")
    },
    "an absolute host that is none": (lambda a: a.call(line=b'POST http://a"b%b HTTP/1.1' % a.line), 400),
    "bare LF throughout": (lambda a: a.call().replace(b"\r\n", b"\n"), 400),
    "HTTP/2": (lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "CONNECT": (lambda a: a.call(line=b"CONNECT x:1 HTTP/1.1"), 400),
    "TLS": (lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 512, 400),
    "a long target": (lambda a: a.call(line=b"POST %b?%b HTTP/1.1" % (a.line, b"x" * 8192)), 414),
    "a long head": (lambda a: a.call(b"X: " + b"x" * 65_536), 431),
    "many fields": (lambda a: a.call(*[b"X: 1"] * 128), 431),
    "long trailers": (lambda a: a.chunked(trailers=b"X: %b\r\n" % (b"x" * 80_000)), 431),
    "long extensions": (lambda a: a.chunked().replace(b"0\r\n\r\n", b"0;%b\r\n\r\n" % (b"x" * 80_000)), 431),
    "many extensions": (
        lambda a: a.chunked().replace(b"0\r\n\r\n", b"1;%b\r\n \r\n" % (b"x" * 9000) * 9 + b"0\r\n\r\n"),
        431,
    ),
}
SEGMENTS = (0, 7, 1)


def _segment(data, size):
    """The long ones are cut into fewer pieces: the time goes into sending them."""
    return size if len(data) < 4000 or not size else 997


@pytest.mark.parametrize("segment", SEGMENTS)
@pytest.mark.parametrize("case", TAKEN)
def test_what_is_taken(address, case, segment):
    """It is answered 200 with its body read, however it is cut; so is what follows on the connection."""
    data = TAKEN[case](address)
    found = address.ask(address.call() + data + data + address.call(), _segment(data, segment))
    assert [answer.status for answer in found] == [200] * 4
    assert all("connection" not in answer.headers for answer in found)


@pytest.mark.parametrize("segment", SEGMENTS)
@pytest.mark.parametrize("case", LAST)
def test_what_is_the_last_of_its_connection(address, case, segment):
    """It is answered 200, and what follows is no longer looked at."""
    data = LAST[case](address)
    found = address.ask(address.call() + data + address.call(), segment)
    assert [(answer.status, answer.headers.get("connection")) for answer in found] == [(200, None), (200, "close")]


@pytest.mark.parametrize("segment", SEGMENTS)
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(address, case, segment):
    """It is refused in the documented shape, what was whole before it is answered, and the connection ends."""
    make, status = REFUSED[case]
    data = make(address)
    for before in (0, 2):
        found = address.ask(address.call() * before + data + address.call(), _segment(data, segment))
        assert [answer.status for answer in found] == [200] * before + [status]
        last = found[-1]
        assert (last.headers["connection"], last.headers["content-type"]) == ("close", "application/json")
        assert last.headers["x-request-id"].startswith("req-")
        told = json.loads(last.body)
        assert (told["code"], told["meta"]) == ("invalid", {"errors": [told["message"]], "details": []})


@pytest.mark.parametrize("segment", SEGMENTS)
def test_a_trailer_is_no_key(address, segment):
    """Who has no key gets none by sending one behind the body."""
    trailers = b"Authorization: Bearer %b\r\n" % address.key
    [answer] = address.ask(address.chunked(trailers=trailers, key=b"nobody"), segment)
    assert answer.status == 401


@pytest.mark.parametrize("segment", SEGMENTS)
def test_a_body_is_never_read_as_a_request(address, segment):
    """Upgrade or not, what stands in the body is the body."""
    inner = address.call()
    head = address.head(b"Host: x", b"X-Strict-Mode: 1", b"Content-Length: %d" % len(inner), *H2C)
    found = address.ask(head + inner + address.call(), segment)
    assert [answer.status for answer in found] == [400, 200]


def test_the_target_names_the_host(process):
    """What the request line says counts, whatever Host says (RFC 9112, 3.2.2)."""
    address = Address("ingest", process.port, b"/v1/track", b"test-write-key", b"")
    line = b"GET http://cdp.example:1/v1/projects/test-write-key/settings HTTP/1.1"
    [answer] = address.ask(address.call(line=line))
    place = json.loads(answer.body)["integrations"]["Customer.io Data Pipelines"]
    assert place["apiHost"] == "cdp.example:1/v1"
