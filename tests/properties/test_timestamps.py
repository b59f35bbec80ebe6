"""A time is what RFC 3339 writes, and the few forms beside it; what is stored every reader understands."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import assume, example, given
from hypothesis import strategies as st

from postroad.contract.timestamps import check_timestamp, from_milliseconds

# The grammar of RFC 3339, section 5.6, written down once more, and the fields that it is made of.
READER = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:(Z)|([+-])(\d\d):(\d\d))", re.ASCII)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # plain arithmetic, no zone of anybody's library

days = st.dates()
clocks = st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 60))
fractions = st.just("") | st.text("0123456789", min_size=1, max_size=12)
zones = st.sampled_from(["Z", "z", "-00:00", "+00:00"]) | st.builds(
    "{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 23), st.integers(0, 59)
)
separators = st.sampled_from("Tt ")


def write(day, separator, clock, fraction, zone):
    """Write a date-time as the grammar has it."""
    return "{}{}{:02}:{:02}:{:02}{}{}".format(
        day.isoformat(), separator, *clock, f".{fraction}" if fraction else "", zone
    )


def read(text):
    """Return the instant of a stored time in units of 10^-12 s since 1970, by the reader of this test."""
    found = READER.fullmatch(text)
    assert found, text
    *fields, fraction, _, sign, hours, minutes = found.groups()
    moment = datetime(*map(int, fields))  # noqa: DTZ001  # raises for what no calendar has
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    since = moment - EPOCH + (offset if sign == "-" else -offset)
    return (since.days * 86_400 + since.seconds) * 10**12 + int((fraction or "0").ljust(12, "0"))


@given(days, separators, clocks, fractions, zones | st.just(""))
def test_all_of_rfc_3339_is_accepted_and_means_the_same_instant(day, separator, clock, fraction, zone):
    """Every date-time of the grammar is a time, without a zone too; not a digit of its instant changes."""
    text = write(day, separator, clock, fraction, zone)
    stored = check_timestamp(text)
    assert stored is not None
    hour, minute, second = clock
    plain = write(day, "T", (hour, minute, min(second, 59)), fraction, zone.upper() or "Z")
    assert read(stored) == read(plain)
    if READER.fullmatch(text) and second < 60:
        assert stored == text


pieces = st.sampled_from(
    ["", "0", "1", ":", "-", "+", ".", ",", " ", "T", "t", "Z", "z", "+01:00", ":30", "W", "\0", "\u0663"]
)


@st.composite
def near_misses(draw):
    """A date-time with up to three of its pieces cut out or replaced."""
    text = write(draw(days), draw(separators), draw(clocks), draw(fractions), draw(zones))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(pieces) + text[start + draw(st.integers(0, 2)) :]
    return text


@given(near_misses() | st.text() | st.text("0123456789-:TZ+. "))
@example("1705314600000")
@example("2024-01-15T10:30:00+00:00:30")
@example("2024-01-15010:30:00Z")
@example("2024-01-15T10:30:00.Z")
def test_what_is_stored_is_rfc_3339(text):
    """Whatever the text: it is refused, or stored as another reader knows it, and that is stored as it is."""
    stored = check_timestamp(text)
    if stored is not None:
        read(stored)
        assert check_timestamp(stored) == stored
        assert datetime.fromisoformat(stored).tzinfo is not None


@given(near_misses())
def test_near_misses_are_refused(text):
    """Nothing else is a time: what the grammar doesn't write, with or without a zone, is refused."""
    grammar = text.replace("t", "T").replace("z", "Z")
    grammar = grammar[:10] + grammar[10:11].replace(" ", "T") + grammar[11:]
    assume(not any(READER.fullmatch(grammar + zone) for zone in ("", "Z")))
    assert check_timestamp(text) is None


@given(st.integers())
def test_milliseconds_are_the_same_instant(value):
    """An integer becomes the time that many milliseconds after 1970, or none outside the years 1 to 9999."""
    stored = from_milliseconds(value)
    first, last = (
        (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    )
    if first <= value <= last:
        assert read(stored) == value * 10**9
        assert check_timestamp(stored) == stored
    else:
        assert stored is None
