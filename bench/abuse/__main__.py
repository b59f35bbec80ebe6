"""`make abuse`: each attack against a real server of its own, a well-behaved source beside it, all on loopback.

Prints what each took and what it did to the others, beside the same without attack just before it and beside 64
ordinary clients, and exits with 1 when an aim was missed. Ends by itself: every run has its time, and so has what is
sent in it.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from attacker import BROWSER_KEY  # noqa: E402  # bench is a folder of programs, not a package
from attacks import ATTACKS, ORDINARY, PROXY  # noqa: E402
from report import Run, Seen, Sent, tell  # noqa: E402
from servers import KEY, memory, postroad  # noqa: E402

SOURCES = f'[sources.browser]\nwrite_key = "{BROWSER_KEY}"\n'
PROXIES = f'trusted_proxies = ["{PROXY}"]\n'
WATCH = 0.05


def main() -> None:
    """Run all attacks, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"of: {', '.join(ATTACKS)}; all of them")
    parser.add_argument("--seconds", type=float, default=8.0, help="with each attack, and before it")
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second of the well-behaved source")
    given = parser.parse_args()
    unknown = set(given.attacks) - set(ATTACKS)
    if unknown:
        raise SystemExit(f"there is no attack {', '.join(sorted(unknown))}; there are: {', '.join(ATTACKS)}")
    run = asyncio.Runner().run
    ordinary = run(measure(ORDINARY, given.rate, given.seconds))
    met = tell(ordinary, ordinary.seen)
    for name in ATTACKS:
        if name != ORDINARY and name in (given.attacks or ATTACKS):
            met = tell(run(measure(name, given.rate, given.seconds)), ordinary.seen) and met
    raise SystemExit(0 if met else 1)


async def measure(name: str, rate: float, seconds: float) -> Run:
    """Measure a server of its own for so many seconds without and so many with an attack."""
    with (
        tempfile.TemporaryDirectory(dir=_memory()) as folder,
        postroad(Path(folder), SOURCES, PROXIES) as (port, pid, _),
    ):
        peak = [0.0]
        base = await _source(port, rate, seconds)
        idle = memory(pid)["ingest"]
        watching = asyncio.create_task(_watch(lambda: memory(pid)["ingest"], peak))
        sent, seen = await asyncio.gather(_attack(name, port, seconds), _source(port, rate, seconds))
        watching.cancel()
        return Run(name, sent, base, seen, idle, max(idle, *peak))


async def _watch(look: Callable[[], float], peak: list[float]) -> None:
    while True:
        peak[0] = max(peak[0], look())
        await asyncio.sleep(WATCH)


def _memory() -> str | None:
    """Return a folder in memory, where there is one: a disk that others use too is slower than many an attack."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # the folder in it is a new one


async def _source(port: int, rate: float, seconds: float) -> Seen:
    told = await _run("source.py", {"--port": port, "--key": KEY, "--rate": rate, "--seconds": seconds})
    return Seen(told["calls"], told["median"], told["p99"], told["worst"], told["refused"])


async def _attack(name: str, port: int, seconds: float) -> Sent:
    told = await _run("attacks.py", {"--attack": name, "--port": port, "--seconds": seconds})
    return Sent(told["requests"], told["bytes"], told["received"], Counter(told["statuses"]))


async def _run(program: str, given: Mapping[str, object]) -> dict[str, Any]:
    command = [sys.executable, str(HERE / program), *(str(word) for pair in given.items() for word in pair)]
    environ = {"PYTHONPATH": ":".join(sys.path)}
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environ)
    output, _ = await child.communicate()
    if child.returncode:
        raise SystemExit(f"{program} failed")
    found: dict[str, Any] = json.loads(output)
    return found


if __name__ == "__main__":
    main()
