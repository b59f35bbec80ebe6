"""A client on a raw socket: it sends any bytes, cut as it likes."""

import socket
from contextlib import closing
from typing import NamedTuple


class Answer(NamedTuple):
    """An answer as it came over the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Address(NamedTuple):
    """One address, and a request that it answers 200 only when head and body came as they were meant."""

    name: str
    port: int
    line: bytes
    key: bytes
    body: bytes

    def head(self, *fields: bytes, line: bytes | None = None, key: bytes | None = None) -> bytes:
        """Return a head with Authorization, and nothing else but `fields`."""
        first = line or b"POST %b HTTP/1.1" % self.line
        return b"\r\n".join([first, b"Authorization: Bearer " + (key or self.key), *fields, b"", b""])

    def call(self, *fields: bytes, line: bytes | None = None, key: bytes | None = None) -> bytes:
        """Return a request with Host, Content-Length, `fields` and the body."""
        usual = (b"Host: x", b"X-Strict-Mode: 1", b"Content-Length: %d" % len(self.body))
        return self.head(*usual, *fields, line=line, key=key) + self.body

    def chunked(self, *fields: bytes, trailers: bytes = b"", key: bytes | None = None) -> bytes:
        """Return a request whose body comes in two chunks."""
        half = len(self.body) // 2
        parts = (self.body[:half], self.body[half:])
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        head = self.head(b"Host: x", b"X-Strict-Mode: 1", b"Transfer-Encoding: chunked", *fields, key=key)
        return head + chunks + b"0\r\n" + trailers + b"\r\n"

    def connect(self) -> socket.socket:
        """Open a connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), 20)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, data: bytes, segment: int = 0) -> list[Answer]:
        """Send bytes, in segments if wanted, then no more; return all answers, at the end of the connection."""
        with closing(self.connect()) as connection:
            try:
                for start in range(0, len(data), segment or len(data)):
                    connection.sendall(data[start : start + (segment or len(data))])
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before it was all sent
            return answers(read_all(connection))


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def answers(data: bytes) -> list[Answer]:
    """Take apart what came."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        found.append(Answer(int(first.split(" ")[1]), headers, data[:length]))
        data = data[length:]
    return found
