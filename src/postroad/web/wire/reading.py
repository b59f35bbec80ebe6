"""From bytes to requests: httptools reads the grammar, and the policy judges what it read.

Pure: no socket, no clock, no task. It is fed a piece at a time, each of which ends where a head, a body or the framing
of a chunk may end, so that it never reads beyond one request.
"""

from typing import Final

import httptools

from postroad.web.wire.policy import FOR_A_BYTE, HEAD_BYTES, HEAD_SIZE, SYNTAX, Head, Rule, judge

_END: Final = b"\r\n\r\n"
_CHUNKED: Final = -1


class Reader:
    """Reads one request after the other from what one connection receives."""

    def __init__(self) -> None:
        self._parser: httptools.HttpRequestParser | None = None
        self.next()

    def close(self) -> None:
        """Let go of the parser, which refers to this. Nothing is read any more."""
        self._parser = None

    def next(self) -> None:
        """Begin with the next request. Only after one that is `whole`."""
        self.head: Head | None = None
        """The head, as soon as it is whole and acceptable."""
        self.whole = False
        """Whether the body is whole, too."""
        self.refused: Rule | None = None
        """Why this is no request; there is no way to go on then."""
        self.pieces: list[bytes] = []
        """What has come of the body; whoever takes it clears it."""
        self._raw = b""
        self._tail = b""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._left = 0
        self._framing = 0
        self._upgrade = False

    @property
    def begun(self) -> bool:
        """Whether any of the next request has come. Empty lines before it count."""
        return bool(self._raw)

    @property
    def left(self) -> int:
        """How many bytes of the body are still to come, as far as that is known."""
        return max(0, self._left)

    def read(self, data: bytes, start: int) -> int:
        """Read on at `start`, at most to the end of this request; returns where the next read begins."""
        if self._left > 0:
            return self._read_length(data, start)
        end = self._end_of_piece(data, start)
        piece = data if start == 0 and end == len(data) else data[start:end]
        self._tail = (self._tail + piece[-3:])[-3:]  # one less than `_END` has
        if self.head is not None:
            self._framing += len(piece)
            self._feed(piece)
            if self._framing > HEAD_BYTES and self.refused is None:
                self.refused = HEAD_SIZE
            return end
        room = HEAD_BYTES - len(self._raw)
        self._raw += piece
        self._feed(piece if len(piece) <= room else piece[:room])
        if len(piece) > room and self.refused is None:
            self.refused = HEAD_SIZE
        # Nearly always the body has come along with its head.
        return self._read_length(data, end) if self._left > 0 and end < len(data) else end

    def _read_length(self, data: bytes, start: int) -> int:
        piece = data[start : start + self._left]
        self._left -= len(piece)
        self._feed(piece)
        return start + len(piece)

    def _end_of_piece(self, data: bytes, start: int) -> int:
        if self._tail:  # the end may straddle two reads
            seam = self._tail + data[start : start + 3]
            if (found := seam.find(_END)) >= 0:
                return start + found + len(_END) - len(self._tail)
        found = data.find(_END, start)
        return found + len(_END) if found >= 0 else len(data)

    def _feed(self, piece: bytes) -> None:
        try:
            self._parsing().feed_data(piece)
        except httptools.HttpParserUpgrade:
            if self.refused is None:
                self._read_as_if_not_upgraded()
        except httptools.HttpParserCallbackError:
            raise  # a bug of ours
        except httptools.HttpParserError:
            if self.refused is None:
                self.refused = SYNTAX

    def _parsing(self) -> httptools.HttpRequestParser:
        if self._parser is None:  # most connections of an attack never send anything
            self._parser = httptools.HttpRequestParser(self)
        return self._parser

    def _read_as_if_not_upgraded(self) -> None:
        """Go on with the body: where Upgrade is asked for, the parser stops at the head's end and is spent."""
        self._parser = None
        if not self._left:
            self.whole = True
            return
        framing = b"transfer-encoding: chunked" if self._left == _CHUNKED else b"content-length: %d" % self._left
        self._parsing().feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)

    # What follows is called by the parser.

    def on_url(self, url: bytes) -> None:
        """A part of the target came."""
        if self.head is None:
            self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head came, or a trailer, which is dropped."""
        if self.head is None:
            self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self.head is not None:  # that of `_read_as_if_not_upgraded`
            self._upgrade = False
            return
        parser = self._parsing()
        method, version = parser.get_method().decode(), parser.get_http_version()
        keep_alive = version == "1.1" and parser.should_keep_alive()
        self._upgrade = parser.should_upgrade()
        head = Head(self._raw, method, self._target, version, self._headers, keep_alive=keep_alive)
        self.refused = judge(head)
        if self.refused is None:
            self.head = head
            self._left = _left(head)
            self._tail = b""

    def on_body(self, body: bytes) -> None:
        """A piece of the body came."""
        self.pieces.append(body)
        self._framing = max(0, self._framing - (FOR_A_BYTE + 1) * len(body))

    def on_message_complete(self) -> None:
        """The request is whole, unless the parser has skipped its body."""
        if not self._upgrade and self.refused is None:
            self.whole = True


def _left(head: Head) -> int:
    length = head.get(b"content-length")
    if length is not None:
        return int(length)
    return 0 if head.get(b"transfer-encoding") is None else _CHUNKED
