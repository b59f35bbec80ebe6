"""The tables of the email events and of the calls can be read one way only."""

import json

import msgspec
import pytest

from postroad.contract.calls import PATHS, Type
from postroad.contract.decode import decode
from postroad.contract.email import KINDS, Kind, said_of
from postroad.contract.stored import pack, unpack


def test_no_two_events_share_a_name():
    """A name or an alias means one event."""
    names = [name for kind in Kind for name in (kind.event, *kind.aliases)]
    assert len(set(names)) == len(names)
    assert len({kind.event.lower() for kind in Kind}) == len(KINDS) == len(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_an_event_is_described(kind):
    """Each event and each of its properties has a sentence for people; an example is a text with something in it."""
    assert kind.means.endswith(".")
    assert kind.advice.endswith(".")
    for said in said_of(kind.properties).values():
        assert said.description.endswith(".")
        assert said.example


@pytest.mark.parametrize("kind", Kind)
def test_an_empty_text_is_not_what_is_required(kind):
    """Of the properties, one that is required must say something; one that is not may be empty."""
    names = kind.properties.__struct_fields__
    call = {"userId": "u", "event": kind.event, "properties": dict.fromkeys(names, "")}
    found = decode(json.dumps(call).encode(), Type.TRACK, 0, lambda: "m")
    required = [field.name for field in msgspec.structs.fields(kind.properties) if field.required]
    assert [problem.sentence for problem in found.violations] == [
        f"properties.{name}: is required" for name in required
    ]


@pytest.mark.parametrize("kind", Kind)
def test_a_number_is_one_byte(kind):
    """The number of an event fits its place in the stored event, and leads back to it."""
    call = {"userId": "u", "event": kind.event, "properties": {"email_id": "m"}}
    value = pack(decode(json.dumps(call).encode(), Type.TRACK, 0, lambda: "m"), 1)
    assert value[2] == kind.value
    assert unpack(value).kind is kind


def test_each_call_has_two_paths():
    """Long and short, each call and the batch have paths of their own: no two begin with the same letter."""
    assert len(PATHS) == 2 * (len(Type) + 1) + 1
    for call in [*Type, None]:
        long, short = [path for path, meant in PATHS.items() if meant is call and path != "/v1/import"]
        assert long.startswith(short)


def test_import_is_a_batch():
    """Segment's Java client sends its batches to `/v1/import`."""
    assert PATHS["/v1/import"] is None
