"""Delivery: how fast a backlog reaches each kind of destination, how soon a fresh event does, and what ingest feels."""

import asyncio
import contextlib
import json
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import postgres_server
from fill import fill
from load import SEED
from servers import KEY, cpu, free_port, load, postroad, process, status

HERE = Path(__file__).parent
_PATIENCE = 300.0
WEBHOOK = (
    '[destinations.hook]\ntype = "{kind}"\nnames = ["Mixpanel"]\nallow_private = true\nfrom = "beginning"\n'
    'url = "http://127.0.0.1:{port}/"\nconcurrency = {concurrency}\n'
)
POSTGRES = (
    '[destinations.warehouse]\ntype = "postgres"\nnames = ["Mixpanel"]\nallow_private = true\nfrom = "beginning"\n'
    'dsn = "{dsn}"\n'
)
PARQUET = '[destinations.lake]\ntype = "parquet"\nnames = ["Mixpanel"]\nfrom = "beginning"\n'
SINGLE = {"kind": "webhook", "concurrency": 64}
BATCHED = {"kind": "webhook_batch", "concurrency": 8}


def delivery(seconds: float, backlog: int) -> None:
    """Print all of it."""
    for name, more, events, aim in (
        ("webhook, one event a request", SINGLE, backlog // 20, 5_000),
        ("webhook, batches of 100", BATCHED, backlog // 2, 80_000),
    ):
        with receiver() as port:
            drained(name, WEBHOOK.format(port=port, **more), events, f"   aim: {aim:,}")
    with postgres_server.running(fsync="on") as database:
        drained("postgres", POSTGRES.format(dsn=database.dsn()), backlog // 4)
    drained("parquet", PARQUET, backlog // 2)
    latency(seconds)
    beside(seconds, backlog)


def drained(name: str, destination: str, events: int, aim: str = "") -> None:
    """Fill a log, then print how fast all of it is delivered and what that costs."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(Path(folder) / "data", events))
        with postroad(Path(folder), destination) as (_, pid, admin):
            while (first := delivered(admin, Path(folder))) is None:
                sleep(0.01)
            began, before = monotonic(), cpu(pid)["delivery"]
            while (delivered(admin, Path(folder)) or 0) < events:
                if monotonic() - began > _PATIENCE:
                    raise SystemExit(f"{name}: not delivered after five minutes: {status(admin, Path(folder))}")
                sleep(0.2)
            took, used = monotonic() - began, cpu(pid)["delivery"] - before
    counted = events - first
    cost = 1e6 * used / counted
    print(f"{name}: {counted / took:,.0f} events/s delivered, {cost:.0f} ms of CPU for 1,000 events{aim}", flush=True)


def delivered(admin: int, folder: Path) -> int | None:
    """Return how many events the first destination has, None before the delivery process can tell."""
    try:
        return int(status(admin, folder)[0]["destinations"][0]["outcomes"].get("delivered", 0))
    except (OSError, IndexError):
        return None


def latency(seconds: float) -> None:
    """Print how long an event takes from its request to the webhook, at 1,000 events a second."""
    with receiver() as port, tempfile.TemporaryDirectory() as folder:
        destination = WEBHOOK.format(port=port, **SINGLE)
        with postroad(Path(folder), destination) as (ingest, _, _admin):
            sent = asyncio.run(paced(ingest, 1000, seconds))
            while (told := figures(port))["events"] < sent:
                sleep(0.05)
    print(f"request to webhook at 1,000 events/s: p50 {told['p50_ms']} ms, p99 {told['p99_ms']} ms   aim: p99 100 ms")


def beside(seconds: float, backlog: int) -> None:
    """Print ingest's latency with nothing to deliver, and while a backlog is being drained."""
    with receiver() as port, tempfile.TemporaryDirectory() as none, tempfile.TemporaryDirectory() as much:
        asyncio.run(fill(Path(much) / "data", backlog))
        destination = WEBHOOK.format(port=port, **SINGLE)  # slow enough to last
        with postroad(Path(none)) as (idle, _, _a), postroad(Path(much), destination) as (busy, _, _b):
            pairs = [(paced_load(idle, seconds), paced_load(busy, seconds)) for _ in range(3)]
            left = backlog - figures(port)["events"]
    for name, index in (("idle", 0), (f"a backlog of {backlog:,} being drained ({left:,} left)", 1)):
        middle = sorted(pair[index] for pair in pairs)[1]
        print(f"ingest p99 at 8 connections, {name}: {middle:.1f} ms")
    ratios = sorted(busy / idle for idle, busy in pairs)
    print(f"  ratio: {ratios[1]:.2f} ({ratios[0]:.2f} to {ratios[2]:.2f})   aim: 1.5")


def paced_load(port: int, seconds: float) -> float:
    """Return the p99 of track calls in milliseconds, few enough connections to leave room for delivery."""
    return load(port, 8, seconds).p99


async def paced(port: int, rate: int, seconds: float) -> int:
    """Send `rate` events a second for `seconds`, each with the time it was sent; return how many."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(16)]
    idle = asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
    for connection in connections:
        idle.put_nowait(connection)
    total, began = int(rate * seconds), monotonic()
    tasks = []
    for number in range(total):
        await asyncio.sleep(max(0.0, began + number / rate - monotonic()))
        tasks.append(asyncio.create_task(_send(idle, number)))
    await asyncio.gather(*tasks)
    for _, writer in connections:
        writer.close()
    return total


async def _send(idle: "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]", number: int) -> None:
    sent = monotonic()
    reader, writer = connection = await idle.get()
    body = json.dumps({**SEED, "messageId": f"paced-{number}", "context": {"sent_monotonic": sent}}).encode()
    writer.write(
        f"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"not a 200: {head!r}")
    await reader.readexactly(2)
    idle.put_nowait(connection)


@contextlib.contextmanager
def receiver() -> Iterator[int]:
    """Run the receiver as a process of its own; its port."""
    port = free_port()
    with process([sys.executable, str(HERE / "receiver.py"), str(port)]):
        deadline = monotonic() + 30
        while monotonic() < deadline:
            with contextlib.suppress(OSError):
                figures(port)
                break
            sleep(0.05)
        yield port


def figures(port: int) -> dict[str, float]:
    """Return what the receiver has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return dict(json.load(answer))
