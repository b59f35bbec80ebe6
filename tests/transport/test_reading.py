"""Reading requests is the same however the bytes are cut, and takes nothing that httptools alone would refuse."""

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from postroad.web.wire.exchange import Exchange
from postroad.web.wire.policy import Head
from postroad.web.wire.reading import Reader

FIELD = st.sampled_from(
    [
        b"Host: x",
        b"Host:  y\t",
        b"Content-Length: 3",
        b"Content-Length: 0",
        b"Content-Length: +3",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Connection: Upgrade",
        b"Upgrade: h2c",
        b"Connection: close",
        b"Authorization: Bearer k",
        b"X : a",
        b"X:",
        b" folded",
        b"A: b\nC: d",
    ]
)
BODY = st.sampled_from(
    [b"", b"abc", b"1\r\na\r\n0\r\n\r\n", b"0\r\nHost: z\r\n\r\n", b"3;e\r\na\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"]
)
LINE = st.sampled_from(
    [b"POST /a HTTP/1.1", b"GET /b?c HTTP/1.0", b"POST http://h/a HTTP/1.1", b"PUT / HTTP/2.0", b"CONNECT a:1 HTTP/1.1"]
)


@st.composite
def requests(draw):
    """Make what is a request, or nearly."""
    fields = draw(st.lists(FIELD, max_size=5))
    if draw(st.booleans()):
        fields.insert(0, b"Host: x")
    return b"\r\n".join([draw(LINE), *fields, b"", b""]) + draw(BODY)


def read(segments):
    """Return what is read of bytes that come in these segments: heads and bodies, and why it stopped."""
    reader, found, body = Reader(), [], []
    for segment in segments:
        at = 0
        while at < len(segment):
            at = reader.read(segment, at)
            body += reader.pieces
            reader.pieces.clear()
            if reader.refused is not None:
                return found, reader.refused
            if reader.whole:
                head = reader.head
                found.append((head.raw, head.method, head.target, head.version, list(head.headers), b"".join(body)))
                body = []
                reader.next()
    return found, None


@settings(max_examples=1000, deadline=None)
@given(st.lists(requests(), min_size=1, max_size=3), st.data())
def test_it_does_not_matter_how_bytes_are_cut(sent, data):
    """In one, byte by byte, or anyhow: the same requests are read, and the same one is refused."""
    whole = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    parts = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    expected = read([whole])
    assert read(parts) == expected
    assert read([whole[at : at + 1] for at in range(len(whole))]) == expected


class Heard:
    """What the parser says of a request."""

    def __init__(self):
        self.headers, self.body, self.whole = [], b"", False

    def on_header(self, name, value):
        self.headers.append((name.lower(), value.rstrip()))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.whole = True


@settings(max_examples=1000, deadline=None)
@given(requests())
def test_nothing_is_taken_that_the_parser_refuses(sent):
    """What is read is what httptools reads by itself, but for trailers; the policy only takes away."""
    found, _ = read([sent])
    if not found or b"Upgrade" in sent:  # at which the parser stops, and skips the body
        return
    _, _, _, _, headers, body = found[0]
    heard = Heard()
    parser = httptools.HttpRequestParser(heard)
    parser.feed_data(sent[: _length(sent, found[0])])
    assert (heard.body, heard.whole) == (body, True)
    assert heard.headers[: len(headers)] == headers


def _length(sent, first):
    """Return where the first request ends."""
    raw, body = first[0], first[5]
    if (b"transfer-encoding", b"chunked") in first[4]:
        return sent.index(b"0\r\n", len(raw)) + sent[sent.index(b"0\r\n", len(raw)) :].index(b"\r\n\r\n") + 4
    return len(raw) + len(body)


class Held:
    """A connection that held back the end of a body, and hands it on once there is room."""

    def __init__(self, *rest):
        self.rest = list(rest)

    def taken(self):
        """Hand on the next piece; the last one makes the body whole."""
        if self.rest:
            self.exchange.pieces.append(self.rest.pop(0))
            self.exchange.whole = not self.rest


async def test_the_end_of_a_body_that_was_held_back_is_read():
    """What comes while a piece is taken is another piece: the body ends only behind it, and no byte is lost."""
    held = Held(b"b" * 9, b"c")
    head = Head(b"", "POST", b"/", "1.1", [], keep_alive=True)
    exchange = held.exchange = Exchange(head, None, held)
    exchange.pieces.append(b"a")
    pieces, last = [], False
    while not last:
        piece, last = await exchange.piece()
        pieces.append(piece)
    assert b"".join(pieces) == b"a" + b"b" * 9 + b"c"
