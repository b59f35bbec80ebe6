"""Handing a request on to the ingest process, which alone may write the log and the rejections."""

import aiohttp

from postroad.config import Server
from postroad.web.answers import Answer, unavailable
from postroad.web.local import RETRY, ingest_url, pinned
from postroad.web.token import AdminToken

_TIMEOUT = 60.0  # seconds; what the command line grants as well


class IngestDoor:
    """Calls the ingest address of this server, with the token of the path; the admin token never goes there."""

    def __init__(self, server: Server, token: AdminToken) -> None:
        self._server = server
        self._token = token.of(RETRY)

    async def retry(self, body: bytes) -> Answer:
        """Ask it to retry rejections and return its answer; a 503 when it doesn't answer."""
        headers = {"Authorization": f"Bearer {self._token.text}", "Content-Type": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(_TIMEOUT),
                    connector=aiohttp.TCPConnector(ssl=pinned(self._server.tls) if self._server.tls else True),
                ) as session,
                session.post(f"{ingest_url(self._server)}{RETRY}", data=body) as answer,
            ):
                return Answer(answer.status, await answer.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return unavailable(f"the ingest process does not answer ({error}); retry later")
