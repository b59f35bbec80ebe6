"""Long work takes turns, so that a small call waits for one slice of it and not for all."""

import asyncio

from postroad.ingest.turns import Turns


async def test_of_all_long_work_one_slice_is_done_in_a_round():
    """However many do long work, in each round of the loop at most one of them goes on, the longest waiting first."""
    turns, done, rounds = Turns(), [], 0

    async def work(name):
        for _ in range(3):
            await turns.pause()
            done.append((name, rounds))

    tasks = [asyncio.create_task(work(name)) for name in "abcdefgh"]
    while not all(task.done() for task in tasks):
        rounds += 1
        assert rounds < 1_000
        await asyncio.sleep(0)
    assert len({number for _, number in done}) == len(done) == 24
    assert [name for name, _ in done] == [*"abcdefgh"] * 3


async def test_one_alone_goes_on_in_each_round():
    """Who has no rival waits for one round and no more."""
    turns, rounds = Turns(), 0

    async def work():
        for _ in range(10):
            await turns.pause()

    task = asyncio.create_task(work())
    while not task.done():
        rounds += 1
        await asyncio.sleep(0)
    assert rounds <= 12
