"""`/api`: each operation at its path; all are read, run and answered in the same way."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from starlette.convertors import Convertor
from starlette.requests import Request
from starlette.responses import Response

from postroad.clock import Clock
from postroad.operations import dead, destinations, rejections, replays, status
from postroad.operations.asking import Asked, Delivered, Nothing, Regions, read, read_json
from postroad.operations.reload import Reloaded
from postroad.web.answers import Answer, new_request_id

Endpoint = Callable[[Request], Awaitable[Response]]


_DESTINATION: Final = "/api/destinations/{region}/{name}"


class Number(Convertor[int]):
    """A number in a path, called `number` there. One of far more digits than any store has is at no path."""

    regex = "[0-9]{1,40}"

    def convert(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Return its digits."""
        return str(value)


class Operation(NamedTuple):
    """One operation and where it is. `run` takes the request that `wanted` is; what it returns is told as JSON."""

    method: str
    path: str
    wanted: type[Asked]
    run: Callable[[Any], Awaitable[Any]]


def calls(delivered: Delivered, reload: Callable[[Nothing], Awaitable[Reloaded]], clock: Clock) -> Sequence[Operation]:
    """Return every operation but the retry of rejections, which is the ingest process's."""
    regions = {name: here.region for name, here in delivered.items()}
    return [
        Operation("GET", "/api/status", Nothing, lambda _: status.report(regions, clock)),
        Operation("POST", "/api/reload", Nothing, reload),
        Operation("GET", "/api/dead", dead.DeadQuery, partial(dead.list_dead, regions)),
        Operation(
            "GET",
            "/api/dead/{region}/{account:number}/{offset:number}",
            dead.DeadPlace,
            partial(dead.show_dead, regions),
        ),
        Operation("POST", "/api/dead/resend", dead.DeadChange, partial(dead.resend_dead, delivered, clock=clock)),
        Operation("POST", "/api/dead/drop", dead.DeadChange, partial(dead.drop_dead, delivered)),
        Operation("GET", "/api/rejections", rejections.RejectionsQuery, partial(rejections.list_rejections, regions)),
        Operation(
            "GET",
            "/api/rejections/{region}/{id:number}",
            rejections.RejectionPlace,
            partial(rejections.show_rejection, regions),
        ),
        Operation("GET", "/api/replays", Nothing, lambda _: replays.list_replays(delivered)),
        Operation("POST", "/api/replays", replays.ReplayWanted, partial(replays.begin_replay, delivered)),
        Operation(
            "POST",
            "/api/replays/{region}/{number:number}/stop",
            replays.ReplayPlace,
            partial(replays.stop_replay, delivered),
        ),
        *_of_destinations(regions, delivered),
    ]


def _of_destinations(regions: Regions, delivered: Delivered) -> Sequence[Operation]:
    return [
        Operation("GET", "/api/destinations", Nothing, lambda _: destinations.list_destinations(regions)),
        Operation(
            "POST",
            f"{_DESTINATION}/abandon",
            destinations.DestinationPlace,
            partial(destinations.abandon, delivered),
        ),
        Operation("POST", f"{_DESTINATION}/hold", destinations.HoldWanted, partial(destinations.hold, delivered)),
        Operation(
            "POST", f"{_DESTINATION}/release", destinations.DestinationPlace, partial(destinations.release, delivered)
        ),
        Operation(
            "POST", f"{_DESTINATION}/try", destinations.DestinationPlace, partial(destinations.try_now, delivered)
        ),
    ]


def endpoint(call: Operation, clock: Clock) -> Endpoint:
    """Return what answers a call: its request has the parts of the path and the query's parameters, or the members of
    the JSON body.
    """

    async def answer(request: Request) -> Response:
        if call.method == "GET":
            asked = read(call.wanted, _query(request) | request.path_params, clock, strict=False)
        else:
            asked = read_json(call.wanted, await request.body(), clock, **request.path_params)
        return as_response(Answer(200, msgspec.json.encode(await call.run(asked))))

    return answer


def as_response(answer: Answer) -> Response:
    """Return an answer with its request id."""
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    headers["x-request-id"] = new_request_id().decode()
    return Response(answer.body, answer.status, headers, media_type=answer.media.decode())


def _query(request: Request) -> dict[str, Any]:
    """Return the query's parameters; one that is there more than once is a list."""
    found = {name: request.query_params.getlist(name) for name in request.query_params}
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
