"""What one run saw, and how it is told."""

from collections import Counter
from typing import NamedTuple

AIM_LATENCY = 3.0
"""How many times the worst latency beside ordinary clients the worst one beside an attack may be. That without anybody
else is told, too, and is no measure: on a machine where nothing else runs a call takes the same few milliseconds each
time, and any load is several times that.
"""
AIM_MEMORY = 200.0
"""MiB that the server may have above what it has when idle."""


class Sent(NamedTuple):
    """What the attacker sent, and what it got: answers by status; `closed` are connections that ended without one."""

    requests: int
    bytes: int
    received: int
    statuses: Counter[str]


class Seen(NamedTuple):
    """What the well-behaved source saw: latencies in milliseconds, and how many of its calls were not answered 200."""

    calls: int
    median: float
    p99: float
    worst: float
    refused: int


class Run(NamedTuple):
    """One attack: `base` is what the well-behaved source saw just before it, with the same server; `idle` and `peak`
    are the MiB of the server's ingest process before and at most.
    """

    name: str
    sent: Sent
    base: Seen
    seen: Seen
    idle: float
    peak: float


def tell(run: Run, ordinary: Seen) -> bool:
    """Print one run beside its base and what was seen beside ordinary clients; return whether the aims were met."""
    slower, grown = run.seen.worst / ordinary.worst, run.peak - run.idle
    misses = [
        text
        for missed, text in (
            (slower > AIM_LATENCY, f"worst latency over {AIM_LATENCY:.0f} times that beside ordinary clients"),
            (run.seen.refused > 0, "the well-behaved source was refused"),
            (grown > AIM_MEMORY, f"memory over {AIM_MEMORY:.0f} MiB above idle"),
        )
        if missed
    ]
    statuses = ", ".join(f"{count:,} x {status}" for status, count in sorted(run.sent.statuses.items()))
    print(
        f"{run.name}\n"
        f"  attacker: {run.sent.requests:,} requests, {run.sent.bytes:,} bytes sent, {run.sent.received:,} received; "
        f"answers: {statuses or 'none'}\n"
        f"  well-behaved source, before: {_told(run.base)}\n"
        f"  well-behaved source, beside: {_told(run.seen)}\n"
        f"  worst latency: {run.seen.worst / run.base.worst:.1f} times the base, {slower:.1f} times the ordinary\n"
        f"  memory of ingest: idle {run.idle:.0f} MiB, peak {run.peak:.0f} MiB ({grown:+.0f})\n"
        f"  {'MISSED: ' + '; '.join(misses) if misses else 'met'}",
        flush=True,
    )
    return not misses


def _told(seen: Seen) -> str:
    return (
        f"{seen.calls:,} calls, median {seen.median:.1f} ms, p99 {seen.p99:.1f} ms, worst {seen.worst:.1f} ms, "
        f"{seen.refused} refused"
    )
