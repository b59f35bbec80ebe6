"""`/v1/batch` with 100 events a call: how many are taken, and where the time of one goes."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, thread_time

import numpy as np
from load import Requests
from servers import cpu, load, postroad
from xxhash import xxh3_64_intdigest

from postroad.clock import SystemClock
from postroad.contract.batch import decode_items
from postroad.contract.decode import Call
from postroad.contract.envelope import Batch, open_batch
from postroad.contract.stored import make_key, pack
from postroad.log.base import Entry
from postroad.log.embedded.codec import BlockCodec, Stamp
from postroad.log.embedded.log import SqliteLog

SIZE = 100
_ROUNDS = 50


def batches(seconds: float) -> None:
    """Print accepted events a second over HTTP, the latency of a call and the CPU time of 1,000 events."""
    with tempfile.TemporaryDirectory() as folder, postroad(Path(folder)) as (port, pid, _):
        for connections in (2, 16):
            before, began = cpu(pid)["ingest"], perf_counter()
            runs = sorted(load(port, connections, seconds, SIZE) for _ in range(3))
            used, took = cpu(pid)["ingest"] - before, perf_counter() - began
            middle = runs[1]
            events = middle.rate * SIZE
            print(
                f"batches of {SIZE}, {connections} connections: {events:,} events/s, "
                f"p50 {middle.p50} ms, p99 {middle.p99} ms   aim: 200,000"
            )
            sent = sum(run.rate for run in runs) * SIZE * seconds * 1.2  # the warm-up is a fifth more
            print(f"  ingest used {1e6 * used / sent:.1f} ms of CPU for 1,000 events, {used / took:.2f} cores")


def stages() -> None:
    """Print the microseconds of each stage of one event of a batch, measured one after the other, without HTTP."""
    body = Requests("bench", "/v1/batch", "", SIZE)().partition(b"\r\n\r\n")[2]
    at = SystemClock().now()
    batch = open_batch(body)
    if not isinstance(batch, Batch):
        raise SystemExit("the batch is not usable")
    calls = [item.found for item in decode_items(batch, 0, SIZE, at, str) if isinstance(item.found, Call)]
    entries = [Entry(make_key("app", call.message_id), pack(call, at)) for call in calls]
    codec, stamp = BlockCodec(), Stamp(bytes(8), 1, SIZE, at, at)
    keys = [entry.key for entry in entries]
    told = {
        "parse": _time(lambda: open_batch(body)),
        "check": _time(lambda: list(decode_items(batch, 0, SIZE, at, str))),
        "pack": _time(lambda: [Entry(make_key("app", call.message_id), pack(call, at)) for call in calls]),
        "hash": _time(lambda: np.fromiter(map(xxh3_64_intdigest, keys), np.uint64, SIZE)),
        "compress": _time(lambda: codec.pack(stamp, entries)),
        "append (hash, dedup, compress, commit, fsync)": asyncio.run(_append(entries)),
    }
    print("  one event of a batch, microseconds: " + ", ".join(f"{name} {took:.2f}" for name, took in told.items()))


def _time(work: Callable[[], object]) -> float:
    best = 1e9
    for _ in range(5):
        began = thread_time()
        for _ in range(_ROUNDS):
            work()
        best = min(best, thread_time() - began)
    return best / _ROUNDS / SIZE * 1e6


async def _append(entries: Sequence[Entry]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        log = await asyncio.to_thread(SqliteLog.open, Path(folder) / "log", SystemClock())
        groups = [[Entry(os.urandom(16), entry.value) for entry in entries] for _ in range(_ROUNDS)]
        began = perf_counter()
        for group in groups:
            await log.append(group)
        took = perf_counter() - began
        await log.close()
    return took / _ROUNDS / SIZE * 1e6
