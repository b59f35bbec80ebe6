"""What reads bytes from anybody holds for bytes that nobody thought of, and what looks for such bytes finds them."""

import asyncio

import pytest
from kinds import KINDS, Case, Kind
from running import Found, memory, run

MANY = 100_000
GROWTH = 64 << 20
"""Bytes that a long run may need more than it had after its first cases: caches that fill, and what Python keeps."""


def make(random):
    """Make a case that is a number of bytes."""
    size = 10 if random.randrange(50) else 20_000
    return Case(bytes(size), size)


def kind(try_one):
    """Return a kind of case of this trial alone."""

    async def trial(house, data):
        try_one(house, data)

    return {"trial": Kind(make, trial)}


def test_some_thousand_cases_break_no_promise():
    """No exception, no status that is not documented, balanced books, linear time: for every kind of bytes."""
    figures = run(4_200, seed=7)
    assert [one.kind for one in figures] == list(KINDS)
    assert all(one.cases == 600 for one in figures)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_hundred_thousand_cases_break_no_promise():
    """The same for a hundred thousand, and the memory of the process stays what it was."""
    run(7_000, seed=8)
    before = memory()
    figures = run(MANY, seed=9)
    assert sum(one.cases for one in figures) >= MANY - len(KINDS)
    assert memory() - before < GROWTH


def test_an_exception_is_found_and_can_be_tried_again():
    """A case that raises is told with its kind, seed and number, which make the very same case again."""

    def fail(_house, data):
        if len(data) > 10:
            raise LookupError("a bug")

    with pytest.raises(Found, match="LookupError: a bug") as found:
        run(1_000, 5, kind(fail))
    number = int(str(found.value).split()[1])
    assert f"--kind trial --seed 5 --start {number} --cases 1" in str(found.value)
    with pytest.raises(Found, match=f"case {number} of `trial`"):
        run(1, 5, kind(fail), start=number)
    run(number, 5, kind(fail))


def test_time_that_grows_faster_than_the_bytes_is_found():
    """A case that takes quadratic time is told; one that takes linear time is not."""
    run(1_000, 6, kind(lambda _house, data: data.count(b"x")))
    with pytest.raises(Found, match="µs a byte"):
        run(1_000, 6, kind(lambda _house, data: [data.count(b"x") for _ in data[::5]]))


def test_what_hangs_is_found(monkeypatch):
    """A connection that never answers what was whole is told, after its time."""
    monkeypatch.setattr("connections._LONG", 0.05)
    monkeypatch.setattr("house.IngestApp.__call__", lambda *_: asyncio.Event().wait())
    with pytest.raises(Found, match="TimeoutError"):
        run(100, 1, {"connection": KINDS["connection"]})


def test_a_status_that_is_not_documented_is_found(monkeypatch):
    """A bug behind the app becomes a 500, which no case may have."""

    async def fail(*_):
        raise LookupError

    monkeypatch.setattr("house.Ingest.call", fail)
    with pytest.raises(Found, match="no 5xx"):
        run(100, 1, {"calls": KINDS["calls"]})


def test_a_book_that_does_not_balance_is_found(monkeypatch):
    """What is counted and not stored, or stored and not counted, is told."""
    monkeypatch.setattr("house._Rejections.record", _nothing)
    with pytest.raises(Found, match="what is counted is what is stored"):
        run(100, 1, {"calls": KINDS["calls"]})


async def _nothing(*_):
    return None
