"""Reading what the admin address is asked, and answering it."""

from typing import Any, Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from postroad.clock import read_moment
from postroad.web.answers import Answer, new_request_id

Asked = TypeVar("Asked", bound=msgspec.Struct)

MOST: Final = 1000
"""The longest list that one answer or one request has."""


def read_query(request: Request, wanted: type[Asked]) -> Asked:
    """Return the query's parameters. Raises a 400 that names the one that is wrong."""
    try:
        return msgspec.convert(dict(request.query_params), wanted, strict=False)
    except msgspec.ValidationError as error:
        raise HTTPException(400, str(error)) from error


async def read_body(request: Request, wanted: type[Asked]) -> Asked:
    """Return the JSON body. Raises a 400 that says what is wrong with it."""
    try:
        return msgspec.json.decode(await request.body(), type=wanted)
    except msgspec.DecodeError as error:
        raise HTTPException(400, str(error)) from error


def read_time(name: str, text: str | None) -> int | None:
    """Return a time in microseconds, given so or as ISO 8601; None for None. Raises a 400 that names the parameter."""
    if text is None:
        return None
    try:
        return int(text) if text.isdecimal() else read_moment(text)
    except ValueError as error:
        raise HTTPException(400, f"{name}: {text!r} is not a time such as 2024-01-15T10:30:00Z") from error


def tell(value: Any) -> Response:
    """Return a value as JSON."""
    return as_response(Answer(200, msgspec.json.encode(value)))


def as_response(answer: Answer) -> Response:
    """Return an answer with its request id."""
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    headers["x-request-id"] = new_request_id().decode()
    return Response(answer.body, answer.status, headers, media_type=answer.media.decode())
