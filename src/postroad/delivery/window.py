"""How far an account has come while its deliveries end in any order: pure bookkeeping."""

from collections import deque

from postroad.log.base import BLOCK_SPAN, number_of, offset_of, position_of


class _Open:
    """A block of which something is not settled yet."""

    __slots__ = ("done", "left", "low", "number")

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.done = bytearray(size)
        self.left = size
        self.low = 0


class Window:
    """The blocks being worked on, oldest first, and the lowest offset that still needs an outcome."""

    def __init__(self, cursor: int) -> None:
        self._cursor = cursor
        self._blocks: deque[_Open] = deque()
        self._by_number: dict[int, _Open] = {}

    def add(self, number: int, size: int) -> None:
        """Take up the next block, with `size` records."""
        block = _Open(number, size)
        self._blocks.append(block)
        self._by_number[number] = block

    def settle(self, offset: int) -> None:
        """Note that a record has its outcome; those of blocks behind the cursor are ignored."""
        block = self._by_number.get(number_of(offset))
        position = position_of(offset)
        if block is not None and not block.done[position]:
            block.done[position] = 1
            block.left -= 1

    @property
    def cursor(self) -> int:
        """Every offset below has its outcome."""
        while self._blocks and not self._blocks[0].left:
            block = self._blocks.popleft()
            del self._by_number[block.number]
            self._cursor = (block.number + 1) * BLOCK_SPAN
        if self._blocks:
            block = self._blocks[0]
            block.low = block.done.find(0, block.low)
            self._cursor = max(self._cursor, offset_of(block.number, block.low))
        return self._cursor

    def size_of(self, number: int) -> int | None:
        """Return the number of records of a block that is still open."""
        block = self._by_number.get(number)
        return None if block is None else len(block.done)
