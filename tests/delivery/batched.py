"""A destination that takes batches, for tests."""

from collections.abc import Callable, Sequence
from typing import Any

from postroad.destinations.base import Delivered, Event

Answer = Callable[[list[str]], Any]


def fine(ids: list[str]) -> Any:
    """Deliver all of it."""
    return [Delivered()] * len(ids)


class Batched:
    """Answers each send with what `answer` makes of its message ids: outcomes, or an error to raise."""

    def __init__(self, answer: Answer = fine) -> None:
        self.answer = answer
        self.batches: list[list[str]] = []
        self.bodies: list[bytes] = []
        self.delivered: list[str] = []
        self.closed = 0

    def takes(self, event: Event) -> bool:  # noqa: ARG002 -- the port's signature
        """Take anything."""
        return True

    async def send(self, events: Sequence[Event]) -> Sequence[Any]:
        """Answer."""
        ids = [event.message_id for event in events]
        self.batches.append(ids)
        self.bodies += [event.body for event in events]
        answer = self.answer(ids)
        if isinstance(answer, BaseException):
            raise answer
        self.delivered += [one for one, outcome in zip(ids, answer, strict=False) if isinstance(outcome, Delivered)]
        return answer

    async def close(self) -> None:
        """Count."""
        self.closed += 1
