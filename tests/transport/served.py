"""A stub of an app behind the real wire, in the test's own process."""

import asyncio
import contextlib
import ssl
from pathlib import Path

from server import free_port
from sockets import answers

from postroad.web.wire import HOLD, Bounds, Listening, Wire, WireTally

CERTIFICATE = Path(__file__).parents[1] / "destinations" / "untrusted.pem"
CALL = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
BIG = 16 << 20
BOUNDS = Bounds(4000, 4000)


class App:
    """An ASGI app that answers the body's size behind its gate, or what its path asks for; it notes who called."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.gate.set()
        self.called = []
        self.read = []
        self.cancelled = 0

    async def __call__(self, scope, receive, send):
        self.called.append(scope["path"])
        if scope["path"] == "/bug":
            raise LookupError("a bug")
        if scope["path"] == "/late":
            await self.gate.wait()
        body = b"" if scope["path"] == "/early" else await self._body(receive)
        if body is None:
            return
        self.read.append(body)
        if scope["path"] == "/held":
            scope["extensions"][HOLD]()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        told = b"x" * BIG if scope["path"] == "/big" else b"%d" % len(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": told})

    async def _body(self, receive):
        parts = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message["body"])
            if not message["more_body"]:
                return b"".join(parts)


class Served:
    """The app on an address of its own."""

    def __init__(self, port, app, *, wire, tally, stop, task, trust):
        self.port, self.app, self.tally, self.stop, self.task, self.trust = port, app, tally, stop, task, trust
        self.wire = wire

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust)

    async def ask(self, data, *, end=True):
        """Send bytes; return the answers once the connection has ended."""
        reader, writer = await self.connect()
        writer.write(data)
        if end:
            writer.write_eof()
        found = answers(await asyncio.wait_for(reader.read(), 20))
        writer.close()
        return found


@contextlib.asynccontextmanager
async def serving(patience=20.0, grace=2.0, keep_alive=75.0, *, secure=False, bounds=BOUNDS):
    """Serve the app, by TLS if wanted; stop it in the end."""
    tls, trust = contexts() if secure else (None, None)
    app, tally, stop, port = App(), WireTally("ingest"), asyncio.Event(), free_port()
    wire = Wire(app, Listening("127.0.0.1", port, patience, grace, tls, keep_alive, bounds), tally)
    task = asyncio.create_task(wire.serve(stop))
    served = Served(port, app, wire=wire, tally=tally, stop=stop, task=task, trust=trust)
    while True:
        try:
            (await served.connect())[1].close()
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0)
    try:
        yield served
    finally:
        app.gate.set()
        stop.set()
        await task


def contexts():
    """Return the server's TLS context and one that trusts anybody."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(CERTIFICATE, CERTIFICATE)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return server, client
