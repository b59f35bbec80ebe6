"""What a process does beside answering requests: loops that never end by themselves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any


@contextlib.asynccontextmanager
async def running(loops: Iterable[Coroutine[Any, Any, None]], stop: asyncio.Event, grace: float) -> AsyncIterator[None]:
    """Run loops while the context lasts, then cancel them and wait, at most `grace` seconds, until they are done.

    A loop ends by itself only by a bug, and half a process is worse than none: `stop` is set then, and the loop's
    error is raised when the context is left.
    """
    tasks = [asyncio.create_task(loop) for loop in loops]
    for task in tasks:
        task.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended, _ = await asyncio.wait(tasks, timeout=grace)
    for task in ended:
        if not task.cancelled():
            task.result()
