"""`make fuzz`: cases without end against what reads bytes from anybody, in this process; each can be made anew.

Prints for each kind how many there were and how long the slowest took, and exits with 1 at the first that breaks a
promise: no exception, no status that is not documented, books that balance, time in proportion to the bytes.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent)]

from kinds import KINDS  # noqa: E402  # bench is a folder of programs, not a package
from running import Found, memory, run  # noqa: E402


def main() -> None:
    """Run them and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="the number of the first case")
    parser.add_argument("--kind", action="append", choices=KINDS, help="one kind; all of them")
    given = parser.parse_args()
    kinds = {name: KINDS[name] for name in given.kind or KINDS}
    began, before = time.monotonic(), memory()
    try:
        figures = run(given.cases, given.seed, kinds, start=given.start, tell=lambda line: print(line, flush=True))
    except Found as found:
        raise SystemExit(str(found)) from found
    total, seconds = sum(one.cases for one in figures), time.monotonic() - began
    print(f"{total:,} cases of seed {given.seed} in {seconds:.0f} s; memory {before / 1e6:.0f} MB before them")


if __name__ == "__main__":
    main()
