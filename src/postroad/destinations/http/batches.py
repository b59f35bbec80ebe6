"""Many events in one request: cutting a batch to a service's limits, and what its one answer means for all of them."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from postroad.destinations.base import Pause, Refused, Retry, SendResult, Split

ABOUT_EVENTS: Final = frozenset({400, 409, 413, 422})
"""The statuses by which a service can mean one event of a batch."""


class Part(NamedTuple):
    """One event as a request holds it: its bytes, and the key by which the service knows it."""

    body: bytes
    key: str


Post = Callable[[Sequence[Part]], Awaitable[Sequence[SendResult]]]
"""Posts events in one request and says what became of each, in order."""


async def send_in_chunks(
    parts: Sequence[Part | Refused], *, max_events: int, max_bytes: int, post: Post
) -> Sequence[SendResult]:
    """Send events in as few requests as the limits allow, one after the other; return an outcome for each.

    An event that is `Refused` already is not sent. Once a request has to be made again later, the ones after
    it are not made now: their events share its outcome.
    """
    outcomes: dict[int, SendResult] = {number: part for number, part in enumerate(parts) if isinstance(part, Refused)}
    sendable = {number: part for number, part in enumerate(parts) if not isinstance(part, Refused)}
    stopped: SendResult | None = None
    for numbers in chunks({n: len(part.body) for n, part in sendable.items()}, max_events, max_bytes):
        found = await post([sendable[number] for number in numbers]) if stopped is None else [stopped] * len(numbers)
        outcomes |= zip(numbers, found, strict=True)
        stopped = next((one for one in found if isinstance(one, Retry | Pause)), None)
    return [outcomes[number] for number in range(len(parts))]


def chunks(sizes: Mapping[int, int], max_events: int, max_bytes: int) -> Iterator[Sequence[int]]:
    """Cut numbered events, given with their sizes in bytes, into lists that keep to the limits, in order.

    The comma after each counts too. An event that is larger than the limit comes alone.
    """
    chunk: list[int] = []
    total = 0
    for number, size in sizes.items():
        if chunk and (len(chunk) == max_events or total + size + 1 > max_bytes):
            yield chunk
            chunk, total = [], 0
        chunk.append(number)
        total += size + 1
    if chunk:
        yield chunk


def isolating(outcome: SendResult, count: int) -> SendResult:
    """Return the outcome of each of `count` events that one request held.

    Where several were refused and any of them may be at fault that is `Split`, by which the engine finds it.
    """
    if count > 1 and isinstance(outcome, Refused):
        return Split(f"{outcome.why}, without saying which event is at fault", outcome.status, outcome.answer)
    return outcome


def pausing(outcome: SendResult) -> SendResult:
    """Return the outcome of a request, but a `Pause` where it was refused for what no event can be at fault for.

    That is then no answer of the service: the address is wrong.
    """
    if isinstance(outcome, Refused) and outcome.status not in ABOUT_EVENTS:
        return Pause(f"{outcome.why}; is its address right?", outcome.status, outcome.answer)
    return outcome
