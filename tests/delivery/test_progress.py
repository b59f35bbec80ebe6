"""How far an account has come, compared with counting."""

from hypothesis import given
from hypothesis import strategies as st

from postroad.delivery.progress import Progress
from postroad.log.base import BLOCK_SPAN, offset_of


@given(st.data(), st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5)), min_size=1, max_size=6))
def test_cursor_is_the_lowest_open_offset(data, blocks):
    """Whatever order records are settled in, the cursor is the first open one, or the end of the last block."""
    progress = Progress(0)
    number, order = 0, []
    for gap, size in blocks:
        number += gap
        order.append([offset_of(number, position) for position in range(size)])
    waiting, unsettled, cursor = list(order), [], 0
    steps = data.draw(st.permutations([offset for block in order for offset in block]))
    queue = list(steps)
    while queue or waiting:
        if waiting and (not unsettled or data.draw(st.booleans())):
            block = waiting.pop(0)
            progress.add(block[0] // BLOCK_SPAN, len(block))
            unsettled += block
        else:
            offset = next(offset for offset in queue if offset in unsettled)
            queue.remove(offset)
            unsettled.remove(offset)
            progress.settle(offset)
            progress.settle(offset)  # a second time changes nothing
        taken = order[: len(order) - len(waiting)]
        end = (taken[-1][0] // BLOCK_SPAN + 1) * BLOCK_SPAN
        expected = min(unsettled) if unsettled else end
        assert progress.cursor == max(cursor, expected)
        cursor = progress.cursor


def test_a_block_behind_the_cursor_is_forgotten():
    """Settling a retry of a finished block moves nothing and has no size."""
    progress = Progress(0)
    progress.add(0, 2)
    assert progress.size_of(0) == 2
    progress.settle(0)
    progress.settle(1)
    assert progress.cursor == BLOCK_SPAN
    progress.settle(1)
    assert progress.cursor == BLOCK_SPAN
    assert progress.size_of(0) is None


def test_what_is_settled_before_its_block_is_taken_up_counts():
    """A record may be settled before its block's turn comes; its size must be known then, and is kept so long."""
    progress = Progress(0)
    progress.foresee(0, 2)
    assert progress.size_of(0) == 2
    progress.settle(0)
    assert progress.cursor == 0
    progress.add(0, 2)
    assert progress.cursor == 1
    progress.settle(1)
    assert (progress.cursor, progress.size_of(0)) == (BLOCK_SPAN, None)
    progress.foresee(0, 2)
    assert progress.size_of(0) is None


def test_what_there_is_nothing_of_is_passed():
    """Offsets without records are passed once the blocks before them are settled."""
    progress = Progress(0)
    progress.add(0, 1)
    progress.pass_to(5 * BLOCK_SPAN)
    assert progress.cursor == 0
    progress.settle(0)
    assert progress.cursor == 5 * BLOCK_SPAN
