"""Whom a call must name, and that all its problems are told at once."""

import itertools

import msgspec
import pytest

from postroad.contract.calls import Type
from postroad.contract.decode import Call, Unusable, decode

AT = 1_705_314_605_000_000
IDS = ("userId", "anonymousId", "groupId", "previousId")
NAMING = {
    Type.TRACK: {"userId", "anonymousId", "groupId"},
    Type.IDENTIFY: {"userId", "anonymousId"},
    Type.PAGE: {"userId", "anonymousId"},
    Type.SCREEN: {"userId", "anonymousId"},
    Type.GROUP: {"userId", "anonymousId", "groupId"},
    Type.ALIAS: {"userId", "previousId"},
}
WANTED = {Type.GROUP: {"groupId"}, Type.ALIAS: {"userId", "previousId"}}


def decoded(call, **members):
    """Decode a call with these members."""
    return decode(msgspec.json.encode(members), call, AT, lambda: "assigned-by-us")


def sentences(found):
    """Return what is wrong, as an error body says it."""
    problems = found.reasons if isinstance(found, Unusable) else found.violations
    return [problem.sentence for problem in problems]


@pytest.mark.parametrize("call", Type)
def test_the_identity_of_each_call(call):
    """Of every combination of ids: usable when one of them names somebody; a violation when a needed one lacks."""
    for count in range(len(IDS) + 1):
        for given in itertools.combinations(IDS, count):
            found = decoded(call, event="Order Placed", **dict.fromkeys(given, "x"))
            assert isinstance(found, Call) is bool(NAMING[call] & set(given)), given
            missing = [f"{name}: is required" for name in IDS if name in WANTED.get(call, set()) - set(given)]
            told = [sentence for sentence in sentences(found) if sentence.endswith("is required")]
            assert sorted(told) == sorted(missing), given


@pytest.mark.parametrize("empty", ["", None, True, [], {}])
@pytest.mark.parametrize("call", Type)
def test_an_empty_or_mistyped_id_names_nobody(call, empty):
    """Empty, null and mistyped ids count as missing."""
    assert isinstance(decoded(call, event="Order Placed", **dict.fromkeys(IDS, empty)), Unusable)


@pytest.mark.parametrize("call", Type)
def test_an_address_is_enough_for_identify_only(call):
    """`traits.email` names somebody in an identify call."""
    found = decoded(call, event="Order Placed", traits={"email": "user@example.com"})
    assert isinstance(found, Call) is (call is Type.IDENTIFY)


@pytest.mark.parametrize("traits", [{"email": ""}, {"email": 5}, {"email": None}, {"Email": "a@b"}, {}, [], None])
def test_an_address_is_a_string(traits):
    """Anything but a string that is not empty is no address."""
    assert isinstance(decoded(Type.IDENTIFY, traits=traits), Unusable)


@pytest.mark.parametrize("event", ["", "  ", "\u00a0", None, 5, True])
def test_a_track_call_needs_a_name(event):
    """Without the event's name a track call can't be used; the other calls have none."""
    found = decoded(Type.TRACK, userId="u", event=event)
    assert sentences(found)[-1] == "event: is required: the name of the event, a string"
    assert isinstance(decoded(Type.PAGE, userId="u", event=event), Call)


def test_an_unusable_call_lists_all_its_problems():
    """What makes it unusable comes last, after everything else that is wrong."""
    found = decoded(
        Type.TRACK,
        type="page",
        event="Email Bounced",
        timestamp="yesterday",
        context=5,
        properties={"email_id": 7, "campaign_id": []},
    )
    assert sentences(found) == [
        "context: must be an object",
        "type: is page, but the path says track; the path counts",
        "timestamp: is not a date-time of RFC 3339: yesterday",
        "userId: is required",
        "properties.email_id: must be a string, not 7",
        "properties.campaign_id: must be a string, not []",
        "the call names nobody; send userId or anonymousId or groupId",
    ]


def test_a_mistyped_member_is_told_once():
    """What has the wrong type is not also called missing."""
    found = decoded(Type.TRACK, userId=True, anonymousId="a", event="Email Opened", properties="x")
    assert sentences(found) == [
        "userId: must be a string",
        "properties: must be an object",
        "properties.email_id: is required",
    ]
    assert sentences(decoded(Type.GROUP, userId="u", groupId={})) == ["groupId: must be a string"]


def test_problems_have_one_order():
    """The same faults are listed alike whatever the order of the members."""
    members = {"userId": "u", "event": "e", "context": 1, "traits": 2, "properties": 3, "sentAt": 4}
    orders = {tuple(sentences(decoded(Type.TRACK, **dict(order)))) for order in itertools.permutations(members.items())}
    assert len(orders) == 1
