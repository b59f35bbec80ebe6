"""Sending batches of calls to the ingest address, again while it can't take them."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import aiohttp

from postroad.cli.calls_file import CallBatch, CallLine
from postroad.cli.client import Unreachable, call_headers, decoded
from postroad.clock import Clock
from postroad.config import Server
from postroad.errors import PostroadError, UsageError
from postroad.web.local import ingest_url, pinned

_TRIES: Final = 20
_WAIT: Final = 1.0
_TIMEOUT: Final = 60.0


class RefusedCall(NamedTuple):
    """A line that was not taken, and why."""

    line: int
    why: str


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: Any


class CallSender:
    """Sends with one write key. Make it with `open_sender`."""

    def __init__(self, session: aiohttp.ClientSession, server: Server, clock: Clock) -> None:
        self._session = session
        self._url = f"{ingest_url(server)}/v1/batch"
        self._tls = pinned(server.tls) if server.tls else True
        self._clock = clock

    async def check_key(self, key: str) -> None:
        """Raise `UsageError` when the write key is not one of the server's: outside strict mode nobody would tell."""
        answer = await self._send(b'{"batch":[]}', call_headers(key, strict=True))
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise UsageError(_message(answer))

    async def send(self, batch: CallBatch) -> Sequence[RefusedCall]:
        """Send a batch until it is taken, without the calls that are refused; returns those.

        Raises `PostroadError` when the server goes on not to answer or not to take anything.
        """
        refused = [RefusedCall(call.line, call.why) for call in batch.calls if call.why]
        calls = [call for call in batch.calls if not call.why]
        while calls:
            answer = await self._send(batch._replace(calls=calls).body)
            if answer.status == HTTPStatus.OK:
                break
            if answer.status != HTTPStatus.BAD_REQUEST:
                raise PostroadError(f"the server answers {answer.status}: {_message(answer)}")
            bad = _refusals(answer, calls)
            refused += bad
            lines = {one.line for one in bad}
            calls = [call for call in calls if call.line not in lines]
        return sorted(refused)

    async def _send(self, body: bytes, headers: Mapping[str, str] | None = None) -> _Answer:
        for left in reversed(range(_TRIES)):
            try:
                async with self._session.post(self._url, data=body, headers=headers, ssl=self._tls) as response:
                    answer = _Answer(response.status, response.headers, decoded(await response.read()))
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                if not left:
                    raise Unreachable(
                        f"no server answers at {self._url} ({str(error) or type(error).__name__}); is it running?"
                    ) from error
                await self._clock.sleep(_WAIT)
                continue
            if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR or not left:
                return answer
            told = answer.headers.get("Retry-After", "")
            await self._clock.sleep(float(told) if told.isdecimal() else _WAIT)
        raise AssertionError("the last try returns or raises")


@contextlib.asynccontextmanager
async def open_sender(server: Server, key: str, clock: Clock, *, strict: bool) -> AsyncIterator[CallSender]:
    """Open what sends to a server with a write key, which is checked first.

    Raises `UsageError` when the key is unknown there and `Unreachable` when nobody answers.
    """
    timeout = aiohttp.ClientTimeout(_TIMEOUT)
    async with aiohttp.ClientSession(headers=call_headers(key, strict=strict), timeout=timeout) as session:
        sender = CallSender(session, server, clock)
        await sender.check_key(key)
        yield sender


def _refusals(answer: _Answer, calls: Sequence[CallLine]) -> Sequence[RefusedCall]:
    """Read off a 400 which calls are bad; all of them, when it doesn't say."""
    found: dict[int, list[str]] = {}
    meta = answer.body.get("meta", {}) if isinstance(answer.body, dict) else {}
    for detail in meta.get("details", ()):
        head, sign, rest = str(detail.get("path", "")).partition("]")
        index = head.removeprefix("batch[")
        if sign and index.isdecimal() and int(index) < len(calls):
            path = rest.removeprefix(".")
            message = str(detail.get("message", ""))
            found.setdefault(int(index), []).append(f"{path}: {message}" if path else message)
    if found:
        return [RefusedCall(calls[index].line, "; ".join(why)) for index, why in found.items()]
    return [RefusedCall(call.line, _message(answer)) for call in calls]


def _message(answer: _Answer) -> str:
    return str(answer.body.get("message", "")) if isinstance(answer.body, dict) else "something that is no JSON"
