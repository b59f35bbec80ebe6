"""What of the log is still needed, by whom."""

from postroad.ledger.base import Outcome, RetryRow, Settlement
from postroad.ledger.needs import needed_from, without_account
from postroad.testing.memory_ledger import MemoryLedger

END = 2 << 16


async def test_who_still_needs_the_log():
    """An account needs the log while it has no end, is not at its end, or has retries that wait; then no more. So does
    a destination that has a starting offset and no account yet.
    """
    ledger = MemoryLedger()
    for name in ("open", "on the way", "retrying", "done"):
        await ledger.open_account(name, start=1 << 16, end=None if name == "open" else END, at=1)
    delivered = Settlement({1 << 16: Outcome.DELIVERED}, {1: 1}, END)
    failed = Settlement({1 << 16: Outcome.RETRY}, {1: 1}, END, [RetryRow(1 << 16, 9, 1, 1, "busy")])
    await ledger.settle(1, delivered)
    await ledger.settle(3, failed)
    await ledger.settle(4, delivered)
    assert list(await needed_from(ledger)) == [END, 1 << 16, 1 << 16]
    await ledger.settle(3, delivered)
    assert list(await needed_from(ledger)) == [END, 1 << 16]
    assert list(await needed_from(ledger, {"open": 5, "new": 7})) == [END, 1 << 16, 7]


async def test_who_waits_for_an_account():
    """A destination with a starting offset waits unless it has an account, or had one that ended beyond what it is
    owed.
    """
    ledger = MemoryLedger()
    await ledger.open_account("open", start=0, at=1)
    await ledger.open_account("ended", start=0, end=END, at=1)
    await ledger.open_account("replayed", start=0, end=END, at=1, replay="{}")
    starting_offsets = {"open": 0, "ended": 0, "replayed": 0, "new": 7}
    accounts = await ledger.accounts()
    assert without_account(starting_offsets, accounts) == {"replayed": 0, "new": 7}
    assert without_account({"ended": END}, accounts) == {"ended": END}
