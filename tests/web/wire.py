"""A client of ingest that sends raw bytes, and the log of the server that it talks to."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from postroad.ingest.app import IngestApp
from postroad.log.base import Entry, Receipt, Record
from postroad.rejections import Rejection, RejectionsReader
from postroad.testing.memory_log import MemoryLog

KEY = "test-write-key"
STRICT_KEY = "always-strict-key"
OTHER_KEY = "another-write-key"
GOOD = b'{"userId":"u","event":"Email Opened","properties":{"email_id":"1"}}'
HEAD = f"POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Strict-Mode: 1\r\nAuthorization: Bearer {KEY}\r\n".encode()
"""The head of a strict call, but for what says how long its body is."""


class Reply(NamedTuple):
    """An answer as it came over the wire; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def errors(self) -> list[str]:
        """The sentences of an error body, after its shape was checked."""
        found = json.loads(self.body)
        assert list(found) == ["code", "message", "meta"]
        assert list(found["meta"]) == ["errors", "details"]
        assert all(list(detail) == ["path", "code", "message"] for detail in found["meta"]["details"])
        return list(found["meta"]["errors"])

    @property
    def details(self) -> list[dict[str, str]]:
        """The details of an error body."""
        return list(json.loads(self.body)["meta"]["details"])

    @property
    def message(self) -> str:
        """The message of an error body."""
        return str(json.loads(self.body)["message"])

    @property
    def codes(self) -> list[str]:
        """The codes of an error body's details."""
        return [detail["code"] for detail in json.loads(self.body)["meta"]["details"]]


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """Read one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in head[1:] if line]
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(head[0].split(" ")[1]), headers, body)


class GatedLog(MemoryLog):
    """A log in memory whose appends wait while `gate` is closed, and fail with `bug` when there is one."""

    def __init__(self, clock):
        super().__init__(clock)
        self.gate = asyncio.Event()
        self.gate.set()
        self.bug: Exception | None = None
        self.is_full = False

    @property
    def full(self) -> bool:
        """Whether the test says so."""
        return self.is_full

    async def append(self, entries: Sequence[Entry], window: int = 0) -> Receipt:
        """Append once the gate is open."""
        await self.gate.wait()
        if self.bug is not None:
            raise self.bug
        return await super().append(entries, window)


class Running:
    """The running server with all that it keeps."""

    def __init__(self, port: int, log: GatedLog, rejections: RejectionsReader) -> None:
        self.port, self.log = port, log
        self._rejections = rejections

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, request: bytes) -> Reply:
        """Send a request on a connection of its own and return the answer."""
        reader, writer = await self.connect()
        try:
            writer.write(request)
            return await asyncio.wait_for(read_reply(reader), 20)
        finally:
            writer.close()

    async def post(
        self, body: bytes, *headers: str, strict: bool = False, path: str = "/v1/track", key: str | None = KEY
    ) -> Reply:
        """Send a call with the key as a Bearer token, None for none; check what every answer promises."""
        reply = await self.send(post(body, *headers, strict=strict, path=path, key=key))
        assert reply.headers["x-request-id"].startswith("req-")
        assert reply.headers["content-type"] == "application/json"
        if reply.status == 200:
            assert reply.body == b"{}"
        else:
            assert reply.errors
        return reply

    async def stored(self) -> list[Record]:
        """Return what is in the log."""
        return [record for block in await self.log.read(0, 1 << 30) for record in block.records]

    async def rejected(self) -> list[Rejection]:
        """Return the rejections, the newest first."""
        return list(await self._rejections.newest())


async def call(app: IngestApp, headers: Mapping[str, str], event: object) -> tuple[int, bytes]:
    """Send a track call to the app itself, without its HTTP server; returns status and body."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": json.dumps(event).encode(), "more_body": False}

    async def send(message):
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/track", "headers": raw, "scheme": "http"}
    await app({**scope, "client": ("127.0.0.1", 1)}, receive, send)
    return sent[0]["status"], sent[1]["body"]


def in_chunks(body: bytes, size: int) -> bytes:
    """Return a body in chunks of `size` bytes, as `Transfer-Encoding: chunked` has it."""
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def post(body: bytes, *headers: str, strict: bool = False, path: str = "/v1/track", key: str | None = KEY) -> bytes:
    """Return the bytes of a call."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    if strict:
        lines.append("X-Strict-Mode: 1")
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join([*lines, "", ""]).encode() + body
