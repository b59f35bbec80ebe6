"""kill -9 of a process that settles under load."""

import asyncio
import sqlite3
import subprocess
import sys

import pytest

from postroad.ledger.base import Outcome
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import offset_of

LOAD = """
import asyncio, sys
from pathlib import Path
from postroad.ledger.base import Outcome
from postroad.ledger.sqlite.writer import SqliteLedger
from postroad.log.base import offset_of
from postroad.testing.ledgers.cases import settlement

async def work(ledger, account):
    for block in range(1_000_000):
        outcomes = {offset_of(block, 0): Outcome.DELIVERED, offset_of(block, 1): Outcome.RETRY}
        await ledger.settle(account, settlement(outcomes, cursor=offset_of(block, 2)))
        print(account, block, flush=True)

async def main():
    ledger = SqliteLedger.open(Path(sys.argv[1]))
    accounts = [await ledger.open_account(name, start=0, at=1) for name in "abcd"]
    await asyncio.gather(*(work(ledger, account.number) for account in accounts))

asyncio.run(main())
"""


@pytest.mark.parametrize("answers", [1, 57, 400])
async def test_killed_writer_loses_nothing_it_answered(tmp_path, answers):
    """Every answered settlement is there after kill -9, each is whole, and the books balance."""
    path = tmp_path / "ledger.db"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", LOAD, str(path), stdout=subprocess.PIPE)
    lines = [await process.stdout.readline() for _ in range(answers)]
    process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    answered = {tuple(map(int, line.split())) for line in lines if line.endswith(b"\n")}
    assert len(answered) >= answers
    ledger = SqliteLedger.open(path)
    for number in range(1, 5):
        blocks = await ledger.blocks(number, limit=1_000_000)
        assert {block for account, block in answered if account == number} <= {block for block, _ in blocks}
        assert {codes for _, codes in blocks} <= {bytes([1, 2, 0, 0])}
        retries = await ledger.retries(number, due_at=None, limit=1_000_000)
        assert sorted(retry.offset for retry in retries) == [offset_of(block, 1) for block, _ in blocks]
        account = await ledger.account(number)
        assert account.cursor == (offset_of(blocks[-1][0], 2) if blocks else 0)
        totals = {Outcome.DELIVERED: len(blocks), Outcome.RETRY: len(blocks)} if blocks else {}
        assert await ledger.totals(number) == totals
    await ledger.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
