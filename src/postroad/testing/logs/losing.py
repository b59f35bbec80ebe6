"""What a reader of a damaged log gets, and that damage stops nobody."""

from postroad.log.base import Block, number_of
from postroad.testing.logs.cases import LogHarness, entries, read_all


async def _append(harness: LogHarness, turns: int) -> list[int]:
    """Append blocks of two entries and return their numbers."""
    log = await harness.open()
    return [number_of((await log.append(entries(f"{turn}a", f"{turn}b"))).offsets[0]) for turn in range(turns)]


class LosingConformance:
    """What `Log` and `LogReader` promise when blocks can't be read any more."""

    async def test_a_damaged_block_is_a_lost_one(self, harness: LogHarness) -> None:
        """A block that can't be read is told as one without records; the blocks beside it are whole."""
        numbers = await _append(harness, 4)
        await harness.damage(numbers[1])
        reader = await harness.reader()
        one, gap, *others = await reader.read(0, 1 << 20)
        assert (one.number, len(one.records)) == (numbers[0], 2)
        assert gap == Block(numbers[1], others[0].appended_at, gap.records, lost=2, until=numbers[2])
        assert not gap.records
        assert gap.end == others[0].start
        assert [block.number for block in others] == numbers[2:]

    async def test_neighbours_are_one_stretch(self, harness: LogHarness) -> None:
        """Damaged blocks side by side are one stretch, told whole wherever inside of it a read begins."""
        numbers = await _append(harness, 6)
        for number in numbers[1:4]:
            await harness.damage(number)
        reader = await harness.reader()
        found = await reader.read(0, 1 << 20)
        assert [(block.number, block.lost, block.until) for block in found if block.lost] == [
            (numbers[1], 6, numbers[4])
        ]
        for number in numbers[1:4]:
            assert (await reader.read(Block(number, 0, ()).start, 1))[0] == found[1]
        assert not [block for block in await reader.read(found[1].end, 1 << 20) if block.lost]

    async def test_damage_at_the_ends(self, harness: LogHarness) -> None:
        """A first and a last block that can't be read are told too, and a reader at the end sees nothing more."""
        numbers = await _append(harness, 4)
        await harness.damage(numbers[0])
        await harness.damage(numbers[3])
        reader = await harness.reader()
        found = await reader.read(0, 1 << 20)
        assert [(block.number, block.lost) for block in found] == [
            (numbers[0], 2),
            (numbers[1], 0),
            (numbers[2], 0),
            (numbers[3], 2),
        ]
        assert found[-1].end == await reader.end()
        assert found[0].start == await reader.first()
        assert not await reader.read(await reader.end(), 1)

    async def test_nothing_but_damage(self, harness: LogHarness) -> None:
        """A log of which nothing can be read is one lost stretch."""
        numbers = await _append(harness, 2)
        for number in numbers:
            await harness.damage(number)
        reader = await harness.reader()
        found = await reader.read(0, 1)
        assert [(block.number, block.lost, block.end) for block in found] == [(numbers[0], 4, await reader.end())]

    async def test_what_is_lost_still_counts(self, harness: LogHarness) -> None:
        """The figures go on counting what can't be read; nobody gets it as a record."""
        numbers = await _append(harness, 3)
        await harness.damage(numbers[1])
        reader = await harness.reader()
        state = await reader.state()
        assert (state.appended, state.kept) == (6, 6)
        starts = [Block(number, 0, ()).start for number in numbers]
        assert [await reader.count_from(start) for start in [*starts, await reader.end()]] == [6, 4, 2, 0]
        assert await reader.get(starts[1]) is await reader.find(b"1a") is None
        assert [record.key for record in await read_all(reader)] == [b"0a", b"0b", b"2a", b"2b"]

    async def test_what_repeats_a_lost_event_is_stored(self, harness: LogHarness) -> None:
        """An event whose stored copy can't be read is new when it comes again, and appends go on above."""
        numbers = await _append(harness, 3)
        await harness.damage(numbers[1])
        await harness.forget()
        log, reader = await harness.open(), await harness.reader()
        receipt = await log.append(entries("0a", "1a", "2b"))
        assert list(receipt.duplicates) == [0, 2]
        assert number_of(receipt.offsets[1]) > numbers[-1]
        assert (await reader.get(receipt.offsets[1])) == (receipt.offsets[1], *entries("1a")[0])

    async def test_retention_takes_lost_blocks_too(self, harness: LogHarness) -> None:
        """What can't be read is retired like the rest, and counts among what went."""
        numbers = await _append(harness, 4)
        await harness.damage(numbers[0])
        await harness.damage(numbers[1])
        await harness.forget()
        log, reader = await harness.open(), await harness.reader()
        harness.clock.advance(10.0)
        gone = await log.retire(await reader.end(), 5.0)
        state = await reader.state()
        lost = len(entries("0a", "0b", "1a", "1b"))
        assert lost <= gone == state.appended - state.kept
        assert not [block for block in await reader.read(0, 1 << 20) if block.lost]
