"""The writer's side of a log: what is stored, what repeats, and what a failure leaves."""

import asyncio

from postroad.errors import StoreUnavailable
from postroad.log.base import BLOCK_SPAN, Entry, Record, Window
from postroad.testing.logs.cases import WINDOW_AGE, WINDOW_IDS, LogHarness, entries, read_all


class AppendingConformance:
    """What `Log` promises while nothing crashes."""

    async def test_what_was_appended_is_read_in_order(self, harness: LogHarness) -> None:
        """Entries come back whole, in commit order, at the offsets of their receipts."""
        log, reader = await harness.open(), await harness.reader()
        sent = [entries("a", "b"), entries("c"), entries("d", "e", "f")]
        offsets = [offset for batch in sent for offset in (await log.append(batch)).offsets]
        records = await read_all(reader)
        assert [(record.key, record.value) for record in records] == [entry for batch in sent for entry in batch]
        assert [record.offset for record in records] == offsets == sorted(set(offsets))

    async def test_an_empty_append_stores_nothing(self, harness: LogHarness) -> None:
        """An append of no entries succeeds and leaves the log as it is."""
        log, reader = await harness.open(), await harness.reader()
        receipt = await log.append([])
        assert not receipt.offsets
        assert not receipt.duplicates
        assert await reader.end() == await reader.first()

    async def test_many_appends_at_once(self, harness: LogHarness) -> None:
        """Appends that share a block get the receipts of their own entries."""
        log, reader = await harness.open(), await harness.reader()
        sent = [entries(f"{turn}-a", f"{turn}-b")[: 1 + turn % 2] for turn in range(20)]
        receipts = await asyncio.gather(*[log.append(batch) for batch in sent])
        stored = {record.offset: Entry(record.key, record.value) for record in await read_all(reader)}
        assert [[stored[offset] for offset in receipt.offsets] for receipt in receipts] == sent

    async def test_a_repeated_key_is_not_stored_again(self, harness: LogHarness) -> None:
        """A duplicate is answered with the record it repeats, whatever its value is."""
        log, reader = await harness.open(), await harness.reader()
        first = await log.append(entries("a", "b"))
        again = await log.append([Entry(b"c", b"new"), Entry(b"b", b"another value")])
        assert again.duplicates == {1: Record(first.offsets[1], b"b", b"the value of b")}
        assert again.offsets[1] == first.offsets[1]
        assert [record.key for record in await read_all(reader)] == [b"a", b"b", b"c"]

    async def test_a_key_repeated_in_one_append_is_stored_once(self, harness: LogHarness) -> None:
        """Two entries with one key in one append, or in appends of one block, are one event."""
        log, reader = await harness.open(), await harness.reader()
        one, two = await asyncio.gather(log.append(entries("a", "a")), log.append(entries("b", "a")))
        assert list(one.duplicates) == [1]
        assert list(two.duplicates) == [1]
        assert {one.offsets[0]} == {*one.offsets, two.offsets[1]}
        assert [record.key for record in await read_all(reader)] == [b"a", b"b"]

    async def test_the_window_ends_by_age(self, harness: LogHarness) -> None:
        """A key is recognised for the window's age and stored again after it."""
        log, reader = await harness.open(), await harness.reader()
        await log.append(entries("a"))
        harness.clock.advance(WINDOW_AGE)
        assert (await log.append(entries("a"))).duplicates
        harness.clock.advance(0.001)
        later = await log.append(entries("a"))
        assert not later.duplicates
        assert list((await log.append(entries("a"))).offsets) == list(later.offsets)
        assert [record.key for record in await read_all(reader)] == [b"a", b"a"]

    async def test_the_window_ends_by_count(self, harness: LogHarness) -> None:
        """The newest `WINDOW_IDS` keys are recognised and no others."""
        log = await harness.open()
        await log.append(entries("a"))
        await log.append(entries(*map(str, range(WINDOW_IDS - 1))))
        assert (await log.append(entries("a"))).duplicates
        await log.append(entries("one more"))
        assert not (await log.append(entries("a"))).duplicates

    async def test_one_window_does_not_shorten_the_other(self, harness: LogHarness) -> None:
        """Whatever goes into the second window, the first one keeps its `WINDOW_IDS` keys; a key is found in both."""
        log = await harness.open()
        mine = [f"mine {turn}" for turn in range(WINDOW_IDS)]
        await log.append(entries(*mine[:1]))
        await log.append(entries("theirs"), 1)
        await log.append(entries(*mine[1:]))
        assert (await log.append(entries("theirs"))).duplicates
        for turn in range(3):
            await log.append(entries(*(f"flood {turn} {number}" for number in range(WINDOW_IDS))), 1)
        assert [window.ids for window in log.windows] == [WINDOW_IDS, WINDOW_IDS]
        assert len((await log.append(entries(*mine), 1)).duplicates) == WINDOW_IDS
        assert not (await log.append(entries("theirs"), 1)).duplicates
        assert not (await log.append(entries("one more"))).duplicates
        assert not (await log.append(entries(mine[0]))).duplicates

    async def test_the_window_tells_its_extent(self, harness: LogHarness) -> None:
        """`window` is what is recognised right now: how many keys, and since when."""
        log = await harness.open()
        assert log.windows[0] == Window(0, None)
        started = harness.clock.now()
        await log.append(entries("a", "b"))
        harness.clock.advance(WINDOW_AGE / 2)
        await log.append(entries("c"))
        assert log.windows[0] == Window(3, started)
        harness.clock.advance(WINDOW_AGE / 2 + 1)
        assert log.windows[0].ids == 1
        harness.clock.advance(WINDOW_AGE)
        assert log.windows[0] == Window(0, None)

    async def test_a_failed_append_leaves_nothing_behind(self, harness: LogHarness) -> None:
        """After a failed append its entries are new: not stored, and not known as duplicates."""
        log, reader = await harness.open(), await harness.reader()
        await log.append(entries("a"))
        harness.break_store()
        for _ in range(2):
            answers = await asyncio.gather(
                log.append(entries("b")), log.append(entries("a", "c")), return_exceptions=True
            )
            assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]
        assert not log.healthy
        assert not await log.check()
        harness.repair_store()
        assert not (await log.append(entries("b", "c"))).duplicates
        assert log.healthy
        assert [record.key for record in await read_all(reader)] == [b"a", b"b", b"c"]

    async def test_a_store_heals_without_an_append(self, harness: LogHarness) -> None:
        """`check` alone finds out that the store works again."""
        log = await harness.open()
        harness.break_store()
        assert isinstance(*await asyncio.gather(log.append(entries("a")), return_exceptions=True), StoreUnavailable)
        harness.repair_store()
        assert await log.check()
        assert log.healthy

    async def test_too_much_for_one_block(self, harness: LogHarness) -> None:
        """An append of more than `BLOCK_SPAN` entries is a caller's bug and changes nothing."""
        log, reader = await harness.open(), await harness.reader()
        many = [Entry(turn.to_bytes(4, "big"), b"") for turn in range(BLOCK_SPAN + 1)]
        assert isinstance(*await asyncio.gather(log.append(many), return_exceptions=True), ValueError)
        receipt = await log.append(many[:-1])
        assert receipt.offsets[-1] - receipt.offsets[0] == BLOCK_SPAN - 1
        assert await reader.get(receipt.offsets[-1]) == (receipt.offsets[-1], *many[-2])

    async def test_a_closed_log_refuses(self, harness: LogHarness) -> None:
        """After `close` appends are refused; closing again is fine."""
        log = await harness.open()
        assert log.queued == 0
        await log.close()
        await log.close()
        assert isinstance(*await asyncio.gather(log.append(entries("a")), return_exceptions=True), StoreUnavailable)
