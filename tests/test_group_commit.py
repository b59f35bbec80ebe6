"""Group commit: one write for all who wait, and every caller is told the truth."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from postroad.errors import StoreBusy, StoreUnavailable
from postroad.storage.group_commit import GroupCommit


class Disk:
    """Writes what it is given; `gate` holds it back, `broken` makes it fail."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def write(self, items: Sequence[int]) -> Sequence[int]:
        self.gate.wait(30)
        if self.broken:
            raise StoreUnavailable("full")
        self.groups.append(list(items))
        return [item * 10 for item in items]


async def test_callers_that_wait_for_one_write_share_the_next():
    """While a group is written the next one gathers, and each caller gets the result of its own item."""
    disk = Disk()
    commit = GroupCommit(disk.write, max_group=1000, max_queue=1000)
    disk.gate.clear()
    first = commit.submit(1, 1)
    await asyncio.sleep(0)
    rest = [commit.submit(n, 1) for n in (2, 3, 4)]
    disk.gate.set()
    assert await first == 10
    assert await asyncio.gather(*rest) == [20, 30, 40]
    assert disk.groups == [[1], [2, 3, 4]]
    await commit.close()


async def test_a_group_is_bounded_by_its_weight():
    """No group weighs more than `max_group`, unless one item alone does."""
    disk = Disk()
    commit = GroupCommit(disk.write, max_group=10, max_queue=1000)
    await asyncio.gather(*(commit.submit(n, 4) for n in range(3)), commit.submit(9, 50))
    assert disk.groups == [[0, 1], [2], [9]]
    await commit.close()


async def test_a_full_queue_is_busy():
    """More weight than `max_queue` is refused at once and not kept; there is room again after the write."""
    disk = Disk()
    commit = GroupCommit(disk.write, max_group=10, max_queue=10)
    disk.gate.clear()
    waiting = commit.submit(1, 8)
    with pytest.raises(StoreBusy):
        commit.submit(2, 8)
    disk.gate.set()
    await waiting
    assert await commit.submit(3, 8) == 30
    assert disk.groups == [[1], [3]]
    await commit.close()


async def test_a_failing_write_is_told_to_everyone_in_its_group_and_to_nobody_else():
    """Each caller of a failed group gets an error of its own; the next group is written."""
    disk = Disk()
    disk.broken = True
    commit = GroupCommit(disk.write, max_group=1000, max_queue=1000)
    results = await asyncio.gather(commit.submit(1, 1), commit.submit(2, 1), return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 2
    assert results[0] is not results[1]
    disk.broken = False
    assert await commit.submit(3, 1) == 30
    await commit.close()


async def test_a_write_that_hangs_is_given_up_and_what_was_not_begun_is_dropped():
    """After `max_wait` all who wait are told, later callers at once, and it heals when the write returns."""
    disk = Disk()
    commit = GroupCommit(disk.write, max_group=1, max_queue=1000, max_wait=0.05)
    disk.gate.clear()
    results = await asyncio.gather(commit.submit(1, 1), commit.submit(2, 1), return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 2
    assert commit.overdue
    with pytest.raises(StoreUnavailable):
        commit.submit(3, 1)
    disk.gate.set()
    await commit.close()
    assert disk.groups == [[1]]
    assert commit.queued == 0
    assert not commit.overdue
