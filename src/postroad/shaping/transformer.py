"""Our side of a transform's process: started at the first event, killed when it hangs, started again.

Whatever the function does, only its own destination waits for it, and never longer than for one event.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from postroad.clock import Clock
from postroad.errors import UsageError
from postroad.shaping.transform import What
from postroad.shaping.transforming_process import CLOCK_FACTOR, HEAD, LENGTH

LIMIT: Final = 1.0
"""Seconds of processor time for one event; ten times as long by the clock."""

_IMPORT_LIMIT: Final = 30.0
_BATCH: Final = 256
_SLACK: Final = 5.0
_AGAIN_AFTER: Final = 5.0
_TOLD: Final = re.compile(r"PATH|HOME|TZ|LANG|LANGUAGE|LC_[A-Z]+|PYTHON[A-Z0-9_]*|(DY)?LD_LIBRARY_PATH")
"""What of our environment a transform is told: what a Python needs to run, and in which place it is."""
_OWN_DEATHS: Final = 2
"""An event at which the process ended so often is at fault. Once may be chance: another program killed it."""


class _Job:
    """One event that waits for its answer."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.answer: asyncio.Future[bytes | str | None] = asyncio.get_running_loop().create_future()
        self.deaths = 0

    def settle(self, answer: bytes | str | None) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, bug: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(bug)


class _Ended(NamedTuple):
    """How a process ended before it answered."""

    timed_out: bool
    why: str


class Transformer:
    """Calls the function at `place` (`package.module:function`) in a process of its own, an event after the other.

    `path` is a folder of modules beside the installed ones. Many calls at once share round trips: gather them. Bound to
    the event loop of its first call.
    """

    def __init__(self, place: str, clock: Clock, *, limit: float = LIMIT, path: Path | None = None) -> None:
        self._place = place
        self._path = path
        self._clock = clock
        self._limit = limit
        self._jobs: deque[_Job] = deque()
        self._work = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._logger = structlog.get_logger("postroad.delivery").bind(transform=place)

    async def __call__(self, body: bytes) -> bytes | str | None:
        """Return the transformed body, None when the function returned None, or what went wrong with its trace.

        A function that can't be loaded any more (it could at the start) is nothing that the event did: it is
        logged, and the event waits.
        """
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        job = _Job(body)
        self._jobs.append(job)
        self._work.set()
        return await job.answer

    async def close(self) -> None:
        """End the process. Safe to call twice; calls under way are cancelled."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
            self._pump = None

    async def _run(self) -> None:
        try:
            while True:
                await self._work.wait()
                process = self._process or await self._started()
                batch = [self._jobs.popleft() for _ in range(min(_BATCH, len(self._jobs)))]
                try:
                    await self._round(process, deque(job for job in batch if not job.answer.done()))
                finally:
                    self._jobs.extendleft(job for job in reversed(batch) if not job.answer.done())
                if not self._jobs:
                    self._work.clear()
        except Exception as bug:
            for job in self._jobs:
                job.fail(bug)
            raise
        finally:
            await self._kill()
            for job in self._jobs:
                job.answer.cancel()
            self._jobs.clear()

    async def _round(self, process: asyncio.subprocess.Process, jobs: deque[_Job]) -> None:
        """Ask for several events at once. If the process ends, the one it was at is settled or tried again."""
        _input(process).write(b"".join(LENGTH.pack(len(job.body)) + job.body for job in jobs))
        for job in jobs:
            answer = await self._answer(process)
            if isinstance(answer, _Ended):
                job.deaths += 1
                if answer.timed_out or job.deaths == _OWN_DEATHS:
                    job.settle(answer.why)
                return
            job.settle(answer)

    async def _answer(self, process: asyncio.subprocess.Process) -> bytes | str | _Ended | None:
        output = _output(process)
        patience = self._limit * CLOCK_FACTOR + _SLACK
        head = b""
        try:
            async with asyncio.timeout(patience):
                head = await output.readexactly(HEAD.size)
                what, length = HEAD.unpack(head)
                if what in set(What):
                    payload = await output.readexactly(length)
                    return {What.EVENT: payload, What.NOTHING: None, What.WRONG: payload.decode()}[What(what)]
        except TimeoutError:
            await self._kill()
            return _Ended(timed_out=True, why=f"the transform did not end within {patience:g} s and was killed")
        except asyncio.IncompleteReadError as error:
            head = error.partial
        return await self._ended(process, head)

    async def _ended(self, process: asyncio.subprocess.Process, head: bytes) -> _Ended:
        """Read what is there instead of an answer: the end, perhaps with where the function was."""
        trace = head
        with suppress(TimeoutError):
            async with asyncio.timeout(_SLACK):
                trace += await _output(process).read()
                await process.wait()
        await self._kill()
        status = process.returncode or 0
        if status in {-signal.SIGPROF, -signal.SIGALRM}:
            took = f"{self._limit:g} s of processor time"
            if status == -signal.SIGALRM:
                took = f"{self._limit * CLOCK_FACTOR:g} s"
            return _Ended(timed_out=True, why=f"the transform did not end within {took}\n{_theirs(trace)}".rstrip())
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return _Ended(timed_out=False, why=f"the transform ended its own process {how}")

    async def _started(self) -> asyncio.subprocess.Process:
        warned = False
        while True:
            try:
                return await self._start()
            except (OSError, UsageError, TimeoutError, asyncio.IncompleteReadError) as error:
                await self._kill()
                if not warned:
                    self._logger.warning("the transform can't be started; its events wait", reason=str(error))
                warned = True
            await self._clock.sleep(_AGAIN_AFTER)

    async def _start(self) -> asyncio.subprocess.Process:
        process = self._process = await asyncio.create_subprocess_exec(
            *_command(self._place, self._limit, self._path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(os.environ),
            start_new_session=True,
        )
        async with asyncio.timeout(_IMPORT_LIMIT):
            what, length = HEAD.unpack(await _output(process).readexactly(HEAD.size))
            payload = await _output(process).readexactly(length)
        if what == What.WRONG:
            raise UsageError(payload.decode())
        return process

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        _input(process).close()
        await process.wait()


def check_transform(place: str, path: Path | None = None) -> None:
    """Load the function in a process of its own. Raises `UsageError` when it is not there or can't be imported.

    `path` is a folder of modules beside the installed ones.
    """
    try:
        done = subprocess.run(  # noqa: S603 -- our own program
            _command(place, LIMIT, path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
            timeout=_IMPORT_LIMIT,
            env=_environment(os.environ),
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"{place!r} can't be imported: it takes more than {_IMPORT_LIMIT:g} s") from None
    if len(done.stdout) < HEAD.size:
        raise UsageError(f"{place!r} can't be imported: it ended the process with status {done.returncode}")
    what, length = HEAD.unpack_from(done.stdout)
    if what == What.WRONG:
        raise UsageError(done.stdout[HEAD.size : HEAD.size + length].decode())


def _command(place: str, limit: float, path: Path | None) -> list[str]:
    # -P: the current folder is not on the path.
    command = [sys.executable, "-P", "-m", "postroad.shaping.transforming_process", place, str(limit)]
    return command if path is None else [*command, str(path.absolute())]


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a transform's process is told of our environment: no secret that the configuration takes from it."""
    return {name: value for name, value in environ.items() if _TOLD.fullmatch(name)}


def _input(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    if process.stdin is None:
        raise RuntimeError("started without a pipe")
    return process.stdin


def _output(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise RuntimeError("started without a pipe")
    return process.stdout


def _theirs(trace: bytes) -> str:
    """Return the frames above ours, the innermost first."""
    ours = str(Path(__file__).parent)
    lines = trace.decode("utf-8", "replace").splitlines()
    end = next((at for at, line in enumerate(lines) if ours in line), len(lines))
    return "\n".join(lines[:end])
