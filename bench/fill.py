"""Filling a log without HTTP: events straight into the embedded log, a thousand an append."""

import asyncio
from pathlib import Path

from load import Requests

from postroad.clock import SystemClock
from postroad.contract.calls import Type
from postroad.contract.decode import Call, decode
from postroad.contract.stored import make_key, pack
from postroad.log.base import Entry
from postroad.log.embedded.log import SqliteLog
from postroad.storage.layout import region_files

_AT_ONCE = 1000


async def fill(data: Path, events: int) -> None:
    """Append `events` seed events, each with a message id of its own, to the log of region us."""
    clock = SystemClock()
    call = decode(Requests("bench", "/v1/track", "")().partition(b"\r\n\r\n")[2], Type.TRACK, clock.now(), str)
    if not isinstance(call, Call):
        raise SystemExit("the seed event is not usable")
    value = pack(call, clock.now())
    log = await asyncio.to_thread(SqliteLog.open, region_files(data, "us").log, clock)
    for start in range(0, events, _AT_ONCE):
        await log.append([Entry(make_key("app", f"fill-{number}"), value) for number in range(start, start + _AT_ONCE)])
    await log.close()
