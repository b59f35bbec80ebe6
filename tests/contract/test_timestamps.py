"""What counts as a `timestamp`, and the form it is stored in."""

import pytest

from postroad.contract.timestamps import check_timestamp, from_milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-15T10:30:00.000Z",
        "2024-01-15T10:30:00Z",
        "2024-01-15T10:30:00.123456789Z",
        "2024-01-15T10:30:00+00:00",
        "2024-01-15T10:30:00.5-11:30",
        "2024-01-15T10:30:00-00:00",
        "2024-02-29T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_what_rfc_3339_writes_stays_as_it_came(text):
    """A date-time with a zone is stored digit for digit."""
    assert check_timestamp(text) == text


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2024-01-15T10:30:00", "2024-01-15T10:30:00.000Z"),
        ("2024-01-15 10:30:00", "2024-01-15T10:30:00.000Z"),
        ("2024-01-15T10:30:00.5", "2024-01-15T10:30:00.500Z"),
        ("2024-01-15T10:30:00.123456", "2024-01-15T10:30:00.123456Z"),
        ("2024-01-15T10:30:00.123456789", "2024-01-15T10:30:00.123456789Z"),
        ("2024-01-15 10:30:00Z", "2024-01-15T10:30:00.000Z"),
        ("2024-01-15t10:30:00Z", "2024-01-15T10:30:00.000Z"),
        ("2024-01-15T10:30:00z", "2024-01-15T10:30:00.000Z"),
        ("2024-02-29 10:30:00.123456789-00:00", "2024-02-29T10:30:00.123456789-00:00"),
    ],
)
def test_the_other_forms_are_written_with_t_and_a_zone(text, stored):
    """What differs from that is rewritten without losing a digit; without a zone it is UTC."""
    assert check_timestamp(text) == stored
    assert check_timestamp(stored) == stored


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
        ("2016-12-31T23:59:60.250Z", "2016-12-31T23:59:59.250Z"),
        ("2017-01-01T00:59:60+01:00", "2017-01-01T00:59:59.000+01:00"),
        ("2016-12-31T23:59:60", "2016-12-31T23:59:59.000Z"),
    ],
)
def test_a_leap_second_becomes_the_second_before(text, stored):
    """The 61st second of a minute is taken, and stored as its 60th."""
    assert check_timestamp(text) == stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "yesterday",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-13-01",
        "2024-01-15T25:00:00Z",
        "2024-01-15T10:60:00Z",
        "2024-01-15T10:30:61Z",
        "2024-01-15T10:30:00+24:00",
        "1705314600000",
        "17920115T103000Z",
        "2024-01-15",
        "2024-01-15T10:30Z",
        "2024-01-15T24:00:00Z",
        "2024-01-15T10:30:00.Z",
        "2024-01-15T10:30:00,5Z",
        "2024-01-15T10:30:00 +01:00",
        "2024-01-15T10:30:00+0100",
        "2024-01-15T10:30:00+01",
        "2024-01-15T10:30:00+01:00:30",
        "2024-01-15T10:30:00+01:60",
        "2024-01-15010:30:00Z",
        "20240115T103000Z",
        "2024-W03-1T10:30:00Z",
        " 2024-01-15T10:30:00Z",
        "2024-01-15T10:30:00Z\n",
        "-2024-01-15T10:30:00Z",
        "Mon, 15 Jan 2024 10:30:00 GMT",
        "01/15/2024",
        "2024-01-15\x0010:30:00Z",
        "2024-01-15x10:30:00Z",
        "\uff12\uff10\uff12\uff14-01-15T10:30:00Z",
        "2024-01-15T" * 2000,
        ":60" * 10_000,
    ],
)
def test_what_is_no_date_time_is_refused(text):
    """Other text is not a timestamp, whatever its length."""
    assert check_timestamp(text) is None


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_705_314_600_123, "2024-01-15T10:30:00.123Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (-62_135_596_800_001, None),
        (253_402_300_800_000, None),
        (10**20, None),
        (-(10**20), None),
    ],
)
def test_integers_are_milliseconds(value, stored):
    """An integer counts milliseconds since 1970; outside the years 1 to 9999 it is no time."""
    assert from_milliseconds(value) == stored
