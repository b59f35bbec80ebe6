"""The yardstick: an empty handler on the same server, with the same protocol class and settings."""

import asyncio
import sys

import uvloop

from postroad.runtime.serving import Listener, serve
from postroad.web.answers import Receive, Scope, Send

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}


async def empty(_scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer `{}`."""
    await receive()
    await send(_START)
    await send({"type": "http.response.body", "body": b"{}"})


if __name__ == "__main__":
    uvloop.run(serve(empty, Listener("127.0.0.1", int(sys.argv[1]), 10.0, 1.0), asyncio.Event()))
