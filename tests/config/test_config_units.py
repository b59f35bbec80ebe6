"""Durations and sizes are read as people write them, and written back so that they read the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.config.units import read_duration, read_size, write_duration, write_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("1.5m", 90),
        ("1h", 3600),
        ("7d", 604800),
        ("90", 90),
        (2, 2),
        (0.25, 0.25),
        ("0s", 0),
    ],
)
def test_durations(text, seconds):
    """A duration is a number with a unit, or plain seconds."""
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("32KiB", 32768), ("64 MiB", 67108864), ("1GB", 10**9), ("1.5k", 1500), ("100B", 100), ("7", 7), (12, 12)],
)
def test_sizes(text, size):
    """A size is a number with a unit, binary or decimal, or plain bytes."""
    assert read_size(text) == size


@pytest.mark.parametrize(
    "value",
    ["", "5 weeks", "-1s", "1e3", -1, True, None, [], "5s5s", float("nan"), float("inf"), 10**400, "9" * 31 + "d"],
)
def test_what_is_no_duration(value):
    """Anything else is refused with one sentence that does not repeat it."""
    with pytest.raises(ValueError, match=r"^must be a duration such as [^=]*$"):
        read_duration(value)


@pytest.mark.parametrize("value", ["", "5 bytes", "-1", "0.5B", -1, 1.5, True, None, {}, 1 << 63, "9000000TiB", "1XB"])
def test_what_is_no_size(value):
    """Anything else is refused with one sentence that does not repeat it."""
    with pytest.raises(ValueError, match=r"^must be a size such as"):
        read_size(value)


@given(st.integers(0, (1 << 63) - 1))
def test_sizes_survive(size):
    """A size that is written reads the same."""
    assert read_size(write_size(size)) == size


@given(st.integers(0, 100 * 365 * 86_400_000))
def test_durations_survive(milliseconds):
    """A duration of whole milliseconds that is written reads the same."""
    seconds = milliseconds / 1000
    assert read_duration(write_duration(seconds)) == pytest.approx(seconds, rel=1e-9)


def test_units_for_people():
    """Defaults are shown in the unit that people would use."""
    assert [write_duration(s) for s in (0.5, 5.0, 90.0, 3600.0, 86400.0, 604800.0)] == [
        "500ms", "5s", "90s", "1h", "24h", "7d",
    ]  # fmt: skip
    assert [write_size(n) for n in (1000, 32 << 10, 256 << 20)] == ["1000B", "32KiB", "256MiB"]
