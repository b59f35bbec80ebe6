"""How the server is: health, metrics and figures."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from postroad.admin.asking import as_response, tell
from postroad.web.health import Look, livez, readyz
from postroad.web.metrics import metrics


class Pages:
    """The endpoints."""

    def __init__(self, look: Look, pulses: Callable[[], Sequence[str]]) -> None:
        self._look = look
        self._pulses = pulses

    async def livez(self, _request: Request) -> Response:
        """The process answers."""
        return as_response(await livez())

    async def readyz(self, _request: Request) -> Response:
        """Whether every region accepts and delivers."""
        return as_response(await readyz(self._look))

    async def metrics(self, _request: Request) -> Response:
        """Prometheus text."""
        return as_response(metrics(await self._look(), self._pulses()))

    async def status(self, _request: Request) -> Response:
        """Every region's figures."""
        return tell(await self._look())
