"""What the parts of one worker have in common."""

from typing import NamedTuple

from postroad.clock import Clock
from postroad.delivery.alarm import Alarm
from postroad.delivery.flow import Flow
from postroad.delivery.losses import Losses
from postroad.delivery.plan import Plan
from postroad.delivery.progress import Progress
from postroad.delivery.router import Router
from postroad.delivery.schedule import longest_wait
from postroad.delivery.settler import Settler
from postroad.destinations.base import Destination
from postroad.ledger.base import Account, Ledger
from postroad.log.base import LogReader


class Parts(NamedTuple):
    """One account, its stores, and what everyone who works on it uses."""

    account: Account
    log: LogReader
    ledger: Ledger
    clock: Clock
    alarm: Alarm
    progress: Progress
    settler: Settler
    router: Router
    losses: Losses
    flow: Flow
    longest: int
    """The most microseconds that a retry can lie ahead: `schedule.longest_wait`."""


def make_parts(
    plan: Plan, account: Account, destination: Destination, *, log: LogReader, ledger: Ledger, clock: Clock
) -> Parts:
    """Return the parts of a worker that is about to start."""
    longest = longest_wait(plan.retry)
    alarm, progress, flow = Alarm(clock, longest), Progress(account.cursor), Flow(clock.now(), clock.monotonic())
    settler = Settler(account.number, progress=progress, ledger=ledger, alarm=alarm, clock=clock)
    router, losses = Router(plan, destination, clock), Losses(account, log, ledger)
    return Parts(account, log, ledger, clock, alarm, progress, settler, router, losses, flow, longest)
