"""How far an account has come while its deliveries end in any order: pure bookkeeping."""

from collections import deque

from postroad.log.base import BLOCK_SPAN, offset_of


class _Open:
    """A block of which something is not settled yet."""

    __slots__ = ("done", "left", "low", "number")

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.done = bytearray(size)
        self.left = size
        self.low = 0  # nothing below is open: where the next search begins


class Progress:
    """The blocks being worked on, oldest first, and the lowest offset that still needs an outcome."""

    def __init__(self, cursor: int) -> None:
        self._cursor = cursor
        self._blocks: deque[_Open] = deque()
        self._by_number: dict[int, _Open] = {}
        self._early: dict[int, set[int]] = {}  # what was settled of blocks whose turn has not come, by their numbers
        self._sizes: dict[int, int] = {}  # and how many records those have
        self._passed = cursor - cursor % BLOCK_SPAN

    def add(self, number: int, size: int) -> None:
        """Take up the next block, with `size` records."""
        block = _Open(number, size)
        self._blocks.append(block)
        self._by_number[number] = block
        self._passed = max(self._passed, offset_of(number + 1, 0))
        for offset in self._early.pop(number, ()):
            self.settle(offset)
        self._sizes.pop(number, None)

    def foresee(self, number: int, size: int) -> None:
        """Note the size of a block that may not be read in turn yet: probes or frozen batches took records of it."""
        if number not in self._by_number and number * BLOCK_SPAN >= self._passed:
            self._sizes[number] = size

    def pass_to(self, offset: int) -> None:
        """Note that below `offset` only the blocks that were added have records to settle."""
        self._passed = max(self._passed, offset)

    def settle(self, offset: int) -> None:
        """Note that a record has its outcome. Those of blocks behind the cursor are ignored, those of blocks
        that were not taken up yet are remembered.
        """
        number, position = offset // BLOCK_SPAN, offset % BLOCK_SPAN
        block = self._by_number.get(number)
        if block is None:
            if offset >= self._passed:
                self._early.setdefault(number, set()).add(offset)
        elif not block.done[position]:
            block.done[position] = 1
            block.left -= 1

    @property
    def cursor(self) -> int:
        """Every offset below has its outcome."""
        while self._blocks and not self._blocks[0].left:
            block = self._blocks.popleft()
            del self._by_number[block.number]
            self._cursor = (block.number + 1) * BLOCK_SPAN
        if not self._blocks:
            self._cursor = max(self._cursor, self._passed)
        else:
            block = self._blocks[0]
            block.low = block.done.find(0, block.low)
            self._cursor = max(self._cursor, offset_of(block.number, block.low))
        return self._cursor

    def size_of(self, number: int) -> int | None:
        """Return the number of records of a block that is still open or was foreseen."""
        block = self._by_number.get(number)
        return self._sizes.get(number) if block is None else len(block.done)
