"""`postroad import`: the calls of an NDJSON file, sent to a running server."""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

import typer

from postroad.cli.calls_file import CallBatch, read_batches
from postroad.cli.options import AsJson, ConfigFile, WriteKey, read_config, verb, write_key
from postroad.cli.output import progress, say, say_json
from postroad.cli.program import INTERRUPTED, NOT_SO
from postroad.cli.sender import CallSender, RefusedCall, open_sender
from postroad.clock import SystemClock
from postroad.config import Server
from postroad.errors import PostroadError, UsageError

_File = Annotated[Path, typer.Argument(metavar="FILE", help="NDJSON: a call a line, or what export wrote; - is stdin.")]
_Skip = Annotated[int, typer.Option(min=0, metavar="LINES", help="Go on behind so many lines.")]
_Strict = Annotated[
    bool,
    typer.Option(
        "--strict/--permissive",
        help="Refuse lines that break the contract; or take them as the server takes such calls: with their "
        "violations noted, and what can't be an event among the rejections.",
    ),
]
_Concurrency = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Requests at the same time.")]


class _Job(NamedTuple):
    """Where to, and how."""

    server: Server
    key: str
    strict: bool
    concurrency: int
    skip: int


class _Place:
    """How far the import has come: every line up to `line` was answered."""

    def __init__(self, job: _Job, size: int, tell: Callable[[int, int], None], *, as_json: bool) -> None:
        self.line = job.skip
        self.taken = 0
        self.refused = 0
        self._done = 0
        self._size = size
        self._tell = tell
        self._as_json = as_json

    def passed(self, batch: CallBatch, refused: list[RefusedCall]) -> None:
        """Note that a batch was answered, and tell what of it was refused."""
        for one in refused:
            if self._as_json:
                say_json({"line": one.line, "why": one.why})
            else:
                say(f"line {one.line}: {one.why}")
        self.line = batch.last
        self.taken += len(batch.calls) - len(refused)
        self.refused += len(refused)
        self._done += batch.size
        self._tell(self._done, max(self._done, self._size))


def import_(
    file: _File,
    *,
    key: WriteKey = None,
    skip: _Skip = 0,
    strict: _Strict = True,
    concurrency: _Concurrency = 4,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send the calls of an NDJSON file to a running server.

    The same file may be imported again: the server knows the message ids that it has seen in its dedup window, and
    a call without one gets one from its line. When it is interrupted it says how many lines to skip. Ends with
    status 1 when lines were refused, each of which is told with its number and reasons.
    """
    found = read_config(config)
    job = _Job(found.server, write_key(key, found), strict, concurrency, skip)
    goods, size = _open(file)
    with goods, progress("import") as tell:
        place = _Place(job, size, tell, as_json=as_json)
        try:
            asyncio.run(_import(goods, job, place))
        except KeyboardInterrupt:
            _tell_stopped(place)
            raise typer.Exit(INTERRUPTED) from None
        except PostroadError as error:
            if place.line > skip and not isinstance(error, UsageError):
                _tell_stopped(place)
            raise
    if as_json:
        say_json({"taken": place.taken, "refused": place.refused, "lines": place.line})
    else:
        say(f"{place.taken} calls were taken, {place.refused} refused")
    if place.refused:
        raise typer.Exit(NOT_SO)


def _open(file: Path) -> tuple[BinaryIO, int]:
    if str(file) == "-":
        return sys.stdin.buffer, 0
    try:
        return file.open("rb"), file.stat().st_size
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


async def _import(goods: BinaryIO, job: _Job, place: _Place) -> None:
    batches = read_batches(goods, job.skip)
    under_way: deque[tuple[CallBatch, asyncio.Task[list[RefusedCall]]]] = deque()
    async with open_sender(job.server, job.key, SystemClock(), strict=job.strict) as sender:
        try:
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                under_way.append((batch, asyncio.create_task(_send(sender, batch))))
                if len(under_way) >= job.concurrency:
                    await _finish(under_way, place)
            while under_way:
                await _finish(under_way, place)
        finally:
            for _, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)


async def _send(sender: CallSender, batch: CallBatch) -> list[RefusedCall]:
    return list(await sender.send(batch))


async def _finish(under_way: deque[tuple[CallBatch, asyncio.Task[list[RefusedCall]]]], place: _Place) -> None:
    """Wait for the oldest batch: what is passed is passed without a gap."""
    batch, task = under_way[0]
    place.passed(batch, await task)
    under_way.popleft()


def _tell_stopped(place: _Place) -> None:
    typer.echo(f"postroad: stopped after {place.taken} calls; go on with --skip {place.line}", err=True)


app = verb(import_)
