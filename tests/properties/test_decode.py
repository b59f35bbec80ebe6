"""Decoding holds for every body there can be, not only for those somebody thought of."""

import json

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postroad.contract.calls import Type
from postroad.contract.decode import Call, Unusable, decode
from postroad.contract.document import parse_object
from postroad.contract.email import ALIASES, KINDS, Kind
from postroad.contract.members import Members, Reading, _walk, read_members
from postroad.contract.stored import make_key, pack, unpack

AT = 1_705_314_605_000_000
OURS = ("type", "messageId", "timestamp", "receivedAt", "event", "userId", "anonymousId", "groupId", "previousId")

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)
strings = st.text() | st.sampled_from(["", " ", "u", "track", "2024-01-15T10:30:00Z", "20240115"])
names = st.sampled_from(sorted({*KINDS, *ALIASES, "Order Placed", " Email Opened "}))
property_names = st.sampled_from(sorted({name for kind in Kind for name in kind.properties.__struct_fields__}))
properties = st.dictionaries(property_names, st.text() | values, max_size=4)
context = st.fixed_dictionaries({}, optional={"traits": properties | st.just({"email": "a@b"}) | values, "ip": values})
switches = st.dictionaries(st.sampled_from(["All", "all", "Mixpanel"]), st.booleans() | values)
calls = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(Members.__struct_fields__, strings | values),
        "event": names | values,
        "properties": properties | values,
        "traits": properties | values,
        "context": context | values,
        "integrations": switches | values,
        "receivedAt": values,
        "writeKey": values,
        "extra": values,
    },
)
bodies = calls.map(lambda call: json.dumps(call).encode()) | calls.map(msgspec.json.encode)
types = st.sampled_from(list(Type))


@st.composite
def broken(draw):
    """A call's body with one piece of it cut out or replaced by other bytes."""
    body = draw(bodies)
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 6)))
    piece = draw(st.binary(max_size=4) | st.sampled_from([b"\\ud800", b"\\q", b'"', b"{", b"01", b"1e999", b"\0"]))
    return body[:start] + piece + body[end:]


def decoded(body, call):
    """Decode with a fixed time and id."""
    return decode(body, call, AT, lambda: "assigned-by-us")


@given(st.binary(max_size=200) | broken() | bodies, types)
@example(b'{"event":"Unsubscribed","userId":"u","context":{"traits":{"email":"\\ud800"}}}', Type.TRACK)
@example(b'{"event":"Email Opened","userId":"u","properties":{"\\ud800":1}}', Type.TRACK)
@example(b'{"event":"Email Opened","userId":"u","integrations":{"\\ud800":1,"All":1}}', Type.TRACK)
@example(b'{"traits":{"email":"\\q"}}', Type.IDENTIFY)
@example(b"[" * 10_000, Type.TRACK)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_call_or_unusable(body, call):
    """Whatever comes in, the answer is an event whose stored form is JSON, or the reasons why it is none."""
    found = decoded(body, call)
    if isinstance(found, Unusable):
        assert found.reasons
        assert msgspec.json.encode(found.reasons)
    else:
        assert isinstance(json.loads(found.body), dict)
        assert msgspec.json.decode(found.body, type=dict[str, msgspec.Raw])  # a number may be out of anybody's range
        assert unpack(pack(found, AT)).body == found.body
        assert make_key("app", found.message_id)


@given(bodies)
@settings(max_examples=300, deadline=None)
def test_both_ways_of_reading_agree(body):
    """The typed decode is only faster: the walk reads the same members and finds the same problems."""
    fast, slow = read_members(body), _walk(parse_object(body))
    assert (fast.problems, fast.rewrite) == (slow.problems, slow.rewrite)
    assert comparable(fast) == comparable(slow)


def comparable(reading: Reading):
    """Return the members of a reading; of `context` and `integrations` only whether they are there."""
    members = msgspec.structs.asdict(reading.members)
    raw = {name: bytes(members[name]) for name in ("properties", "traits")}
    there = {name: members[name] is not None for name in ("context", "integrations")}
    return {**members, **raw, **there}


@given(bodies, types)
@settings(max_examples=300, deadline=None)
def test_the_stored_body_is_what_came_plus_what_we_say(body, call):
    """Members that Postroad doesn't normalise are stored as they came; ours are always there; the key never is."""
    found = decoded(body, call)
    if not isinstance(found, Call):
        return
    came, stored = json.loads(body), json.loads(found.body)
    assert (stored["type"], stored["messageId"]) == (call.wire, found.message_id)
    assert stored["receivedAt"] == "2024-01-15T10:30:05.000Z"
    assert isinstance(stored["timestamp"], str)
    came.pop("writeKey", None)
    assert {**stored, **dict.fromkeys(OURS)} == {**came, **dict.fromkeys(OURS)}
    for name in ("userId", "anonymousId", "groupId", "previousId"):
        value = came.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        assert isinstance(stored[name], str) if number else stored.get(name) == value


@given(bodies, types)
@settings(max_examples=200, deadline=None)
def test_a_stored_body_decodes_to_itself(body, call):
    """What is stored is clean: sent again, it has no bad `timestamp` or type, and the same id and name."""
    found = decoded(body, call)
    if not isinstance(found, Call):
        return
    again = decoded(found.body, call)
    assert (again.name, again.kind, again.message_id) == (found.name, found.kind, found.message_id)
    assert json.loads(again.body) == json.loads(found.body)
    assert not {"timestamp", "type"} & {problem.path for problem in again.violations}
