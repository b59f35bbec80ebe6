"""Which destinations an event's `integrations` ask for."""

import msgspec
import pytest

from postroad.contract.integrations import is_wanted, parse_integrations, wants


def asks(integrations: str, *names: str) -> bool:
    """Ask an event with these integrations, as JSON, whether it wants a destination of these names."""
    body = f'{{"userId":"u","integrations":{integrations}}}'.encode()
    decision = wants(parse_integrations(body), names)
    assert is_wanted(body, tuple(names)) is decision
    assert is_wanted(body, tuple(names)) is decision  # and when it is asked again
    return decision


@pytest.mark.parametrize("own", [None, "true", "false", "{}", '{"session_id":1}', "null", '"no"', "0", "1", "[]"])
@pytest.mark.parametrize("all_", [None, "true", "false", "null", '"true"', "1", "0", "{}", "[]"])
@pytest.mark.parametrize("spelling", ["All", "all"])
def test_the_truth_table(own, all_, spelling):
    """The name decides by a boolean or an object; else `All` does: absent yes, true yes, anything else no."""
    members = ([f'"Mixpanel":{own}'] if own else []) + ([f'"{spelling}":{all_}'] if all_ else [])
    if own in ("true", "{}", '{"session_id":1}'):
        expected = True
    elif own == "false":
        expected = False
    else:
        expected = all_ in (None, "null", "true")
    assert asks("{" + ",".join(members) + "}", "Mixpanel") is expected


@pytest.mark.parametrize("body", ['{"userId":"u"}', '{"integrations":null}', '{"integrations":{}}'])
def test_without_integrations_every_destination_is_wanted(body):
    """Missing, null and empty mean all."""
    assert wants(parse_integrations(body.encode()), ["Mixpanel"])


@pytest.mark.parametrize("value", ["5", '"All"', "[]", "true", "false"])
def test_integrations_that_are_no_object_decide_nothing(value):
    """What can't be read is noted as a violation, and the event goes everywhere."""
    assert asks(value, "Mixpanel")


@pytest.mark.parametrize(
    ("integrations", "expected"),
    [
        ('{"mixpanel":true,"All":false}', False),
        ('{"Mixpanel ":true,"All":false}', False),
        ('{"MIXPANEL":false}', True),
        ('{"ALL":false}', True),
        ('{"\\u0041ll":false}', False),
    ],
)
def test_names_are_exact(integrations, expected):
    """Case and spaces count; how JSON escapes a letter doesn't."""
    assert asks(integrations, "Mixpanel") is expected


def test_the_first_name_that_decides_wins():
    """A destination that answers to several names takes the first one that says yes or no."""
    assert asks('{"Segment":"?","Segment.io":true,"Twilio Segment":false,"All":false}', "Segment", "Segment.io")
    assert not asks('{"Segment.io":false,"Segment":true}', "Segment.io", "Segment")


def test_all_goes_before_the_lower_case_spelling():
    """When both spellings are there the documented one decides."""
    assert not asks('{"all":true,"All":false}', "Mixpanel")
    assert not asks('{"all":false,"All":null}', "Mixpanel")


@pytest.mark.parametrize(
    ("twice", "expected"),
    [
        ('"integrations":5,"integrations":{"All":false}', False),
        ('"integrations":{"All":false},"integrations":null', True),
        ('"integrations":{"All":false,"All":true}', True),
    ],
)
def test_of_a_member_that_comes_twice_the_last_counts(twice, expected):
    """Duplicate keys are read here as everywhere else."""
    assert wants(parse_integrations(f'{{"userId":"u",{twice}}}'.encode()), ["Mixpanel"]) is expected


def test_reading_keeps_options_as_they_came():
    """The options of a destination are handed on byte for byte."""
    body = b'{"integrations":{"Actions Amplitude": {"session_id":12345678901234567890123 } }}'
    assert parse_integrations(body) == {"Actions Amplitude": msgspec.Raw(b'{"session_id":12345678901234567890123 }')}
