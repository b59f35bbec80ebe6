"""Running cases: every one can be made anew from its kind, the seed and its number; its time and the memory count.

A case may take time in proportion to its bytes. How much is usual, the cases of its kind say: three quarters take less.
Beyond a hundred times that, in CPU time, a case is too slow. It is tried twice more first, and the least counts:
a machine that is busy makes nothing of it.
"""

import asyncio
import logging
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import structlog
from house import House
from kinds import KINDS, Case, Kind

_FIXED: Final = 2048
"""Bytes that every case counts more than it has: the smallest takes time, too."""
_TIMES: Final = 100
"""How many times the usual a byte may take."""
_SAMPLE: Final = 500
"""Cases after which it is known what is usual."""
_SHOWN: Final = 2000
"""Characters of a case that are shown: a screen."""
_RENEW: Final = 64
_LOOK: Final = 256
_PAGE: Final = resource.getpagesize()


class Found(Exception):
    """A case that breaks a promise: which one, and how to try it again."""


class Figures(NamedTuple):
    """What a run of one kind came to. Times are in CPU microseconds."""

    kind: str
    cases: int
    sent: int
    """Bytes of all cases."""
    usual: float
    """A case's time for a byte; three quarters take less."""
    worst: float
    """The slowest case's time for a byte."""
    longest: float
    """The longest case's time."""
    number: int
    """The number of the slowest case for its bytes."""


def run(
    cases: int, seed: int, kinds: Mapping[str, Kind] = KINDS, *, start: int = 0, tell: Callable[[str], object] = str
) -> list[Figures]:
    """Run so many cases, the same number of each kind. Raises `Found`."""
    if cases > 1:  # one alone is looked at by somebody
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        figures = []
        for name, kind in kinds.items():
            numbers = range(start, start + max(1, cases // len(kinds)))
            random = Random()  # noqa: S311  # a seeded one is the point
            figures.append(asyncio.run(_run(_Trial(name, kind, seed, random), numbers)))
            tell(describe(figures[-1]))
        return figures
    finally:
        structlog.reset_defaults()


def describe(figures: Figures) -> str:
    """Return a line about a kind."""
    return (
        f"{figures.kind:12} {figures.cases:>9,} cases {figures.sent / 1e6:>8,.0f} MB"
        f"   µs a byte: usual {figures.usual:.3f}, worst {figures.worst:.2f} (case {figures.number})"
        f"   longest case {figures.longest / 1000:.1f} ms   memory {memory() / 1e6:.0f} MB"
    )


def memory() -> int:
    """Return the memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


class _Trial(NamedTuple):
    """The cases of one kind and seed, by their numbers."""

    name: str
    kind: Kind
    seed: int
    random: Random

    def make(self, number: int) -> Case:
        """Make a case, always the same for its number."""
        self.random.seed((self.seed << 40) + number)
        return self.kind.make(self.random)

    async def took(self, house: House, case: Case, number: int) -> float:
        """Run a case; return its CPU time in microseconds."""
        began = time.process_time_ns()
        try:
            await self.kind.run(house, case.data)
        except Exception as error:
            shown = repr(case.data)
            shown = shown if len(shown) < _SHOWN else f"{shown[:_SHOWN]} …"
            raise Found(f"{self.which(number)}: {type(error).__name__}: {error}\n{shown}") from error
        return (time.process_time_ns() - began) / 1000

    def which(self, number: int) -> str:
        """Name a case, and how to run it alone."""
        again = f"python -m bench.fuzz --kind {self.name} --seed {self.seed} --start {number} --cases 1"
        return f"case {number} of `{self.name}` ({again})"


async def _run(trial: _Trial, numbers: range) -> Figures:
    house = House()
    costs: list[float] = []
    usual = worst = longest = 0.0
    slowest = sent = 0
    for number in numbers:
        if number % _RENEW == 0:
            house.renew()
        case = trial.make(number)
        took, size = await trial.took(house, case, number), case.size + _FIXED
        sent += case.size
        if took / size > worst or took > longest:  # again, without what else the process did meanwhile
            took = min([took, *[await trial.took(House(), case, number) for _ in range(2)]])
        longest = max(longest, took)
        if len(costs) < _SAMPLE or number % _LOOK == 0:
            costs.append(took / size)
            usual = sorted(costs)[len(costs) * 3 // 4]
        if took / size > worst:
            worst, slowest = took / size, number
        if len(costs) >= _SAMPLE and worst > _TIMES * usual:
            raise Found(f"{trial.which(slowest)} takes {worst:.2f} µs a byte; usual is {usual:.4f}")
    return Figures(trial.name, len(numbers), sent, usual, worst, longest, slowest)
