"""`make bench`: everything in one run on one machine, so that ratios mean something; the figures alone don't."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "e2e")]

from batches import batches, stages  # noqa: E402  # bench is a folder of programs, not a package
from drain import delivery  # noqa: E402
from fill import fill  # noqa: E402
from servers import Figures, empty_server, load, memory, postroad  # noqa: E402

DOWN = '[destinations.down]\ntype = "webhook"\nurl = "http://127.0.0.1:9/"\nallow_private = true\nfrom = "beginning"\n'


def main() -> None:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load run")
    parser.add_argument("--events", type=int, default=5_000_000, help="in the filled log")
    parser.add_argument("--backlog", type=int, default=1_000_000, help="undelivered events")
    given = parser.parse_args()
    for connections in (64, 256):
        _track_against_empty(connections, given.seconds)
    batches(given.seconds)
    stages()
    _filled(given.events, given.seconds)
    _backlog(given.backlog, given.seconds)
    delivery(given.seconds, given.backlog)


def _track_against_empty(connections: int, seconds: float) -> None:
    """Three pairs in turn: the machine's speed drifts, the ratio of neighbours much less."""
    with tempfile.TemporaryDirectory() as folder, empty_server() as empty, postroad(Path(folder)) as (port, pid, _):
        pairs = [(load(empty, connections, seconds), load(port, connections, seconds)) for _ in range(3)]
        _say(f"empty handler, {connections} connections", [pair[0] for pair in pairs])
        _say(f"track, {connections} connections", [pair[1] for pair in pairs])
        ratios = sorted(track.rate / nothing.rate for nothing, track in pairs)
        print(f"  ratio to the empty handler: {ratios[1]:.2f} ({ratios[0]:.2f} to {ratios[2]:.2f})   aim: 0.6")
        print(f"  memory: {_memory(pid)}   aim: 120 MiB a process")


def _filled(events: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as fresh, tempfile.TemporaryDirectory() as full:
        asyncio.run(fill(Path(full) / "data", events))
        with postroad(Path(fresh)) as (fresh_port, _, _a), postroad(Path(full)) as (full_port, pid, _b):
            pairs = [(load(fresh_port, 64, seconds), load(full_port, 64, seconds)) for _ in range(3)]
            _say("track, fresh log", [pair[0] for pair in pairs])
            _say(f"track, {events:,} events in the log", [pair[1] for pair in pairs])
            ratios = sorted(filled.rate / fresh.rate for fresh, filled in pairs)
            print(f"  ratio to the fresh log: {ratios[1]:.2f} ({ratios[0]:.2f} to {ratios[2]:.2f})   aim: 0.9")
            print(f"  memory: {_memory(pid)}   aim: 120 MiB and 30 MiB a million ids")


def _backlog(events: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as none, tempfile.TemporaryDirectory() as much:
        asyncio.run(fill(Path(much) / "data", events))
        with postroad(Path(none)) as (none_port, none_pid, _a), postroad(Path(much), DOWN) as (much_port, pid, _b):
            pairs = [(load(none_port, 64, seconds), load(much_port, 64, seconds)) for _ in range(3)]
            _say("track, no backlog", [pair[0] for pair in pairs])
            _say(f"track, {events:,} undelivered events behind a dead destination", [pair[1] for pair in pairs])
            print(f"  memory without: {_memory(none_pid)}; with: {_memory(pid)}")


def _say(what: str, runs: Sequence[Figures]) -> None:
    middle = sorted(runs)[len(runs) // 2]
    print(f"{what}: {middle.rate:,} requests/s, p50 {middle.p50} ms, p99 {middle.p99} ms", flush=True)


def _memory(pid: int) -> str:
    return ", ".join(f"{role} {size:.0f} MiB" for role, size in sorted(memory(pid).items()))


if __name__ == "__main__":
    main()
