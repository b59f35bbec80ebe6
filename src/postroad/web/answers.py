"""Answers: the one success, and the one shape of every error body.

An error body is `{"code", "message", "meta": {"errors": [...], "details": [...]}}`. `code` and `message` at the
top keep the official Python clients from resending; `meta.errors` is what the contract documents, and the
official Node client prints. An entry of `details` is `{path, code, message}`. Only the first `PROBLEMS` problems stand
there: a body of a few bytes must not make a large answer. Of which items there are more, the message says, as ranges.
"""

import math
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from postroad.contract.limits import PROBLEMS
from postroad.contract.refusals import Error
from postroad.contract.violations import Problem

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

_ID_BYTES = 12


class Answer(NamedTuple):
    """A status, a body (JSON unless `media` says otherwise), and headers beyond those that every answer has."""

    status: int
    body: bytes
    headers: Sequence[Header] = ()
    media: bytes = b"application/json"


OK = Answer(200, b"{}")


def counted(violations: int) -> Answer:
    """Return the success, which tells how many violations there were if there were any."""
    return OK._replace(headers=((b"x-postroad-violations", str(violations).encode()),)) if violations else OK


def refuse(error: Error, message: str, problems: Sequence[Problem] = (), headers: Sequence[Header] = ()) -> Answer:
    """Return an error answer with the first `PROBLEMS` problems; without any the message itself is the only entry of
    `meta.errors`.
    """
    told = problems[:PROBLEMS]
    body = {
        "code": error.code,
        "message": message,
        "meta": {
            "errors": [problem.sentence for problem in told] or [message],
            "details": [{"path": p.path, "code": p.code, "message": p.message} for p in told],
        },
    }
    return Answer(error.status, msgspec.json.encode(body), headers)


def unavailable(reason: str) -> Answer:
    """Return a 503; clients that honour Retry-After come back spread over 5 to 15 seconds."""
    return refuse(Error.UNAVAILABLE, reason, headers=(_retry_after(0),))


def unauthorized(reason: str) -> Answer:
    """Return a 401 to an operator, who has a token and no write key."""
    return refuse(Error.UNAUTHORIZED, reason, headers=((b"www-authenticate", b"Bearer"),))


def over_rate(seconds: float) -> Answer:
    """Return a 429 for what would be taken after so many seconds; clients come back spread over 10 seconds from then
    on, and not before 5 have passed.
    """
    reason = "the source has sent more than its rate allows, and nothing of this was stored; send it again later"
    return refuse(Error.OVER_RATE, reason, headers=(_retry_after(seconds),))


def _retry_after(seconds: float) -> Header:
    spread = random.randint(0, 10)  # noqa: S311  # spreads load, guards nothing
    return b"retry-after", str(max(5, math.ceil(seconds)) + spread).encode()


REQUEST_ID: Final = "postroad.request_id"
"""In the scope of a request: the id that its answer will have, for lines in the log."""


def new_request_id() -> bytes:
    """Return an id for one request, unique across restarts, that tells nothing: neither how many there were nor which
    process answered.
    """
    return b"req-%b" % os.urandom(_ID_BYTES).hex().encode()


async def respond(send: Send, answer: Answer, request_id: bytes) -> None:
    """Send an answer."""
    headers = [(b"x-request-id", request_id), *answer.headers]
    if answer.status != HTTPStatus.NOT_MODIFIED:  # of which the length would have to be that of what the client has
        headers[:0] = [(b"content-type", answer.media), (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
