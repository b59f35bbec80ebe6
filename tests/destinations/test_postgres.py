"""The postgres destination without a database: its settings, and what an error means."""

from typing import Any

import pytest

import postroad.destinations.postgres as module
from postroad.destinations.base import Pause, Refused, Retry, Split
from postroad.destinations.dedup import event_key
from postroad.destinations.postgres.failures import is_of_the_data, outcome_of, refused
from postroad.destinations.postgres.tables import fits_jsonb
from postroad.errors import ConfigError
from postroad.registry import settings_of

DSN = "postgresql://ada:hunter2@db.example.com/events?sslmode=verify-full"


def settings(**raw: object) -> Any:
    """Return checked settings."""
    return settings_of("postgres", {"dsn": DSN, **raw}, "destinations.d")


def problems(**raw: object) -> str:
    """Return what is wrong with these settings."""
    with pytest.raises(ConfigError) as caught:
        settings(**raw)
    return str(caught.value)


@pytest.fixture(autouse=True)
def with_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the settings believe that the driver is there, wherever the tests run."""
    monkeypatch.setattr(module, "find_spec", lambda _: object())


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the driver the configuration is refused with the extra that brings it."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert problems() == "destinations.d.type: needs a driver that is not installed; install postroad[postgres]"


@pytest.mark.parametrize("dsn", [DSN, "host=/tmp dbname=events password=hunter2", "postgres://h/d"])
def test_both_forms_of_an_address_are_taken(dsn: str) -> None:
    """An address and key=value pairs are both taken, and neither ever shows."""
    found = settings(dsn=dsn)
    assert found.dsn.reveal() == dsn
    assert repr(found) == "Settings(dsn=***, schema='postroad')"


@pytest.mark.parametrize("dsn", ["hunter2", "mysql://ada:hunter2@h/d", "", "https://hunter2"])
def test_another_form_is_refused_without_showing_it(dsn: str) -> None:
    """What is no address is refused, and not repeated."""
    assert "hunter2" not in problems(dsn=dsn)


@pytest.mark.parametrize("schema", ["", "Big", "two words", 'a"b', "1st", "a" * 64, "a\n"])
def test_a_schema_is_a_plain_name(schema: str) -> None:
    """Only names that need no thought in SQL are taken for the schema."""
    assert problems(schema=schema).startswith("destinations.d.schema: ")


@pytest.mark.parametrize(
    ("state", "said", "kind"),
    [
        (None, 'FATAL: password authentication failed for user "ada"', Pause),
        (None, 'FATAL: database "x" does not exist', Pause),
        (None, 'FATAL: no pg_hba.conf entry for host "1.2.3.4"', Pause),
        (None, "connection refused", Retry),
        (None, "FATAL: sorry, too many clients already", Retry),
        ("28P01", "password", Pause),
        ("3D000", "no such database", Pause),
        ("42501", "permission denied", Pause),
        ("42804", "column is of type integer", Pause),
        ("42703", "no such column", Pause),
        ("42P10", "no constraint matches ON CONFLICT", Pause),
        ("23502", "null value", Pause),
        ("42P01", "no such table", Retry),
        ("3F000", "no such schema", Retry),
        ("40001", "serialization", Retry),
        ("40P01", "deadlock", Retry),
        ("53100", "disk full", Retry),
        ("53300", "too many connections", Retry),
        ("57P01", "shutdown", Retry),
        ("57014", "statement timeout", Retry),
        ("25006", "read only", Retry),
        ("XX000", "internal", Retry),
        ("23503", "a deferred constraint", Split),
    ],
)
def test_each_error_has_its_outcome(state: str | None, said: str, kind: type) -> None:
    """What heals by itself is a retry, what needs the operator a pause; the server's words are told."""
    outcome = outcome_of(state, f"{said}\n\tHINT: more", "the table postroad.events")
    assert isinstance(outcome, kind)
    assert f"{said} HINT: more" in outcome.why


def test_changed_tables_are_named() -> None:
    """Of a table that is not as we made it the sentence has the name and what to do."""
    outcome = outcome_of("42804", "column x is of type integer", "the table postroad.email_opened")
    assert outcome == Pause(
        "the table postroad.email_opened is not as Postroad made it; change it back, or rename it and it is made anew: "
        "column x is of type integer"
    )


@pytest.mark.parametrize("state", ["22001", "22P05", "23505", "23514", "54000", "P0001"])
def test_errors_of_the_data_are_known(state: str) -> None:
    """What a single event can cause is told from what the whole table causes, and refuses that event."""
    assert is_of_the_data(state)
    assert refused("too long\nDETAIL") == Refused("the database refused its data: too long DETAIL")


@pytest.mark.parametrize("state", ["23502", "42804", "57014", None])
def test_other_errors_are_not_of_the_data(state: str | None) -> None:
    """No event is blamed for what lies with the table, the server or the connection."""
    assert not is_of_the_data(state)


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        (r'{"a":"x"}', True),
        (r'{"a":"\\u0000"}', True),
        (r'{"a":"\u0000"}', False),
        (r'{"a":"\\\u0000"}', False),
        (r'{"a":1e99,"b":123456789012345678901234567890.5}', True),
        (r'{"a":1e100000}', False),
        (r'{"a":[-1.5E+999999]}', False),
        (r'{"id":"0c3e100d-7e123"}', True),
    ],
)
def test_bodies_that_jsonb_cannot_hold_are_known(body: str, fits: bool) -> None:  # noqa: FBT001 -- a parameter
    """A NUL and an absurd exponent are found; ids that look like one are not mistaken for it."""
    assert fits_jsonb(body) is fits


def test_the_key_is_of_region_source_and_message_id() -> None:
    """The key is the same for the same three, and what is between them can't be shifted."""
    assert event_key("us", "app", "m") == event_key("us", "app", "m")
    others = [event_key("eu", "app", "m"), event_key("us", "ap", "pm"), event_key("us", "app", "n")]
    assert len({event_key("us", "app", "m"), *others}) == 4
