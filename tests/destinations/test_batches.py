"""Cutting a batch to a service's limits."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from postroad.destinations.http.batches import chunks


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 10), st.integers(1, 100))
def test_chunks_keep_to_the_limits_and_lose_nothing(sizes: list[int], max_events: int, max_bytes: int) -> None:
    """Every event is in exactly one chunk, in order; only an event that is too large alone breaks a limit."""
    found = list(chunks(dict(enumerate(sizes)), max_events, max_bytes))
    assert [number for chunk in found for number in chunk] == list(range(len(sizes)))
    for chunk in found:
        assert 1 <= len(chunk) <= max_events
        assert len(chunk) == 1 or sum(sizes[number] + 1 for number in chunk) <= max_bytes


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 10), st.integers(1, 100))
def test_no_chunk_could_have_taken_one_more(sizes: list[int], max_events: int, max_bytes: int) -> None:
    """Requests are as few as they can be in this order."""
    found = list(chunks(dict(enumerate(sizes)), max_events, max_bytes))
    for chunk, following in pairwise(found):
        total = sum(sizes[number] + 1 for number in (*chunk, following[0]))
        assert len(chunk) == max_events or total > max_bytes
