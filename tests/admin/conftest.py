"""The admin address's app, asked without a server in between."""

import json
from contextlib import suppress
from urllib.parse import urlencode

import pytest
from operated import Operated

from postroad.admin import admin_app, calls
from postroad.operations.reload import Reloaded
from postroad.web.answers import Answer
from postroad.web.token import AdminToken

TOKEN = "tok"


class World(Operated):
    """A region and its API."""

    def __init__(self, folder):
        super().__init__(folder)
        self.asked = []
        self.failure = None
        self.app = admin_app(
            calls(self.delivered, self.reload, self.clock),
            self._look,
            list,
            self._retry,
            reference={},
            token=AdminToken(lambda: TOKEN),
            clock=self.clock,
        )

    async def reload(self, _asked):
        return Reloaded(("sources.new",), (), ())

    async def _retry(self, body):
        self.asked.append(body)
        return Answer(200, b'{"retried":[1],"refused":[]}')

    async def _look(self):
        if self.failure:
            raise self.failure
        return []

    async def ask(self, method, path, body=None, token=TOKEN, **query):
        """Ask the app; returns status and the decoded answer."""
        status, _, told = await self.exchange(method, path, body, token, **query)
        return status, told

    async def exchange(self, method, path, body=None, token=TOKEN, *, plain=False, **query):
        """Ask the app; returns status, headers and the decoded answer, also when the app raises after it answered."""
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"" if body is None else json.dumps(body).encode()}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": urlencode(query, doseq=True).encode(),
            "root_path": "",
            "scheme": "http",
            "server": ("x", 1),
            "headers": [(b"authorization", f"Bearer {token}".encode())] if token else [],
        }
        with suppress(LookupError):  # a bug is raised again, for the log
            await self.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        assert "x-request-id" in headers
        told = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], headers, told if plain else json.loads(told)


@pytest.fixture
async def world(tmp_path):
    """A region with dead letters and rejections."""
    world = await World(tmp_path).fill()
    yield world
    await world.rejections.close()
