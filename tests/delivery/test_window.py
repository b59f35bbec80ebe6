"""How far an account has come, compared with counting."""

from hypothesis import given
from hypothesis import strategies as st

from postroad.delivery.window import Window
from postroad.log.base import BLOCK_SPAN, offset_of


@given(st.data(), st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5)), min_size=1, max_size=6))
def test_cursor_is_the_lowest_open_offset(data, blocks):
    """Whatever order records are settled in, the cursor is the first open one, or the end of the last block."""
    window = Window(0)
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
            window.add(block[0] // BLOCK_SPAN, len(block))
            unsettled += block
        else:
            offset = next(offset for offset in queue if offset in unsettled)
            queue.remove(offset)
            unsettled.remove(offset)
            window.settle(offset)
            window.settle(offset)  # a second time changes nothing
        taken = order[: len(order) - len(waiting)]
        end = (taken[-1][0] // BLOCK_SPAN + 1) * BLOCK_SPAN
        expected = min(unsettled) if unsettled else end
        assert window.cursor == max(cursor, expected)
        cursor = window.cursor


def test_a_block_behind_the_cursor_is_forgotten():
    """Settling a retry of a finished block moves nothing and has no size."""
    window = Window(0)
    window.add(0, 2)
    assert window.size_of(0) == 2
    window.settle(0)
    window.settle(1)
    assert window.cursor == BLOCK_SPAN
    window.settle(1)
    assert window.cursor == BLOCK_SPAN
    assert window.size_of(0) is None


def test_what_is_settled_before_its_block_is_taken_up_counts():
    """A record may be settled before its block's turn comes; its size must be known then, and is kept so long."""
    window = Window(0)
    window.foresee(0, 2)
    assert window.size_of(0) == 2
    window.settle(0)
    assert window.cursor == 0
    window.add(0, 2)
    assert window.cursor == 1
    window.settle(1)
    assert (window.cursor, window.size_of(0)) == (BLOCK_SPAN, None)
    window.foresee(0, 2)
    assert window.size_of(0) is None


def test_what_there_is_nothing_of_is_passed():
    """Offsets without records are passed once the blocks before them are settled."""
    window = Window(0)
    window.add(0, 1)
    window.pass_to(5 * BLOCK_SPAN)
    assert window.cursor == 0
    window.settle(0)
    assert window.cursor == 5 * BLOCK_SPAN
