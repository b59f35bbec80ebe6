"""Group commit: many waiting callers, one write at a time, one fsync for all who waited meanwhile.

While one group is being written in the worker thread the next one gathers, so a group grows with the
load and a lone caller waits for nobody. Everything but the write itself happens on the event loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from postroad.errors import StoreBusy, StoreUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

_Waiting = tuple[Item, int, asyncio.Future[Result]]


class GroupCommit(Generic[Item, Result]):
    """Hands groups of items to `write` in one thread, in order, and answers each caller with its result.

    `write(items)` runs in the only worker thread; it returns one result an item, or raises
    `StoreUnavailable`, and then every caller of that group gets that error. Any other exception is
    a bug and also reaches every caller of the group.

    `max_group` bounds the weight (bytes) of one group, `max_queue` that of all unwritten items. `max_wait` bounds
    the seconds that a caller waits for a write that hangs: then it gets `StoreUnavailable`, and what had not
    been handed to `write` yet is dropped.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        max_group: int,
        max_queue: int,
        max_wait: float | None = None,
    ) -> None:
        self._write = write
        self._max_group = max_group
        self._max_queue = max_queue
        self._max_wait = max_wait
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._queued = 0
        self._writing = False
        self._closed = False
        self._overdue = False
        self._thread = ThreadPoolExecutor(1, "group-commit")
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued(self) -> int:
        """Weight (bytes) of what is not written yet, the group being written included."""
        return self._queued

    @property
    def full(self) -> bool:
        """Whether nothing more fits the queue."""
        return self._queued >= self._max_queue

    @property
    def overdue(self) -> bool:
        """Whether the group being written has taken longer than `max_wait`."""
        return self._overdue

    def submit(self, item: Item, weight: int) -> "asyncio.Future[Result]":
        """Queue one item; the future resolves after the commit of its group.

        Raises `StoreBusy` when the queue is full (an item always fits an empty queue) and
        `StoreUnavailable` after `close`; the item was not kept then.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._overdue:
            raise StoreUnavailable("the disk does not answer")
        if self._queued and self._queued + weight > self._max_queue:
            raise StoreBusy(f"{self._queued} bytes are waiting to be written; the limit is {self._max_queue}")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, weight, answer))
        self._queued += weight
        if not self._writing:
            self._writing = True
            self._idle.clear()
            # Not at once: callers of this same turn of the loop join the group.
            loop.call_soon(self._start)
        return answer

    async def close(self) -> None:
        """Write what is queued, then stop the thread. Safe to call twice."""
        self._closed = True
        await self._idle.wait()
        self._thread.shutdown()

    def _start(self) -> None:
        group, weight = self._take()
        loop = asyncio.get_running_loop()
        items = [item for item, _, _ in group]
        done = loop.run_in_executor(self._thread, self._write, items)
        timer = None if self._max_wait is None else loop.call_later(self._max_wait, self._give_up, group)
        done.add_done_callback(lambda written: self._finish(group, weight, written, timer))

    def _give_up(self, group: list[_Waiting[Item, Result]]) -> None:
        """The write hangs: answer all who wait. Those who come later find us `overdue`."""
        self._overdue = True
        for _, weight, _ in self._waiting:
            self._queued -= weight
        waiting, self._waiting = self._waiting, deque()
        for _, _, answer in (*group, *waiting):
            if not answer.done():
                answer.set_exception(StoreUnavailable(f"the disk has not answered for {self._max_wait:g} s"))

    def _take(self) -> tuple[list[_Waiting[Item, Result]], int]:
        group: list[_Waiting[Item, Result]] = []
        weight = 0
        while self._waiting and (not group or weight + self._waiting[0][1] <= self._max_group):
            group.append(self._waiting.popleft())
            weight += group[-1][1]
        return group, weight

    def _finish(
        self,
        group: list[_Waiting[Item, Result]],
        weight: int,
        written: "asyncio.Future[Sequence[Result]]",
        timer: asyncio.TimerHandle | None,
    ) -> None:
        if timer is not None:
            timer.cancel()
        self._overdue = False
        self._queued -= weight
        if self._waiting:
            self._start()  # first: the disk must not idle while callers are answered
        else:
            self._writing = False
            self._idle.set()
        error = written.exception()
        if error is not None:
            for _, _, answer in group:
                if not answer.done():
                    answer.set_exception(_copy(error))
            return
        for (_, _, answer), result in zip(group, written.result(), strict=True):
            if not answer.done():
                answer.set_result(result)


def _copy(error: BaseException) -> BaseException:
    """Give each caller an error of its own: one shared by all would collect every caller's traceback."""
    return StoreUnavailable(*error.args) if isinstance(error, StoreUnavailable) else error
