"""The calls whose golden files say what becomes of them, for each semantic email event."""

from postroad.contract.email import Kind

AT = 1_705_314_605_000_000
TEXTS = {"email_id": "msg_abc123", "link_url": "https://example.com/pay?invoice=7&lang=en"}
WRONG = (7, True, ["x"], {"y": 1}, 1.5, False)


def table(kind):
    """Return the names of the properties an event of this kind may have."""
    return kind.properties.__struct_fields__


def minimal(kind):
    """Return the least that is accepted without a word."""
    return {"userId": "user_12345", "event": kind.event, "properties": {"email_id": "msg_abc123"}}


def full(kind):
    """Return every member the contract names."""
    return {
        "type": "track",
        "userId": "user_12345",
        "anonymousId": "anon-1",
        "event": kind.event,
        "timestamp": "2024-01-15T10:30:00.000Z",
        "sentAt": "2024-01-15T10:30:01.000Z",
        "originalTimestamp": "2024-01-15T10:29:59.000Z",
        "messageId": "from-the-client",
        "properties": {name: TEXTS.get(name, f"some {name}") for name in table(kind)},
        "context": {"traits": {"email": "user@example.com"}, "ip": "203.0.113.9"},
        "integrations": {"All": False, "Mixpanel": True, "Segment": {"option": 1}},
    }


def cases(kind):
    """Return the bodies of the calls, by the name of their golden file."""
    least, whole = minimal(kind), full(kind)
    known = least["properties"]
    nobody = {"event": kind.event, "properties": known}
    cases = {
        "minimal": least,
        "full": whole,
        "missing_email_id": {**least, "properties": {"campaign_name": "Weekly"}},
        "empty_email_id": {**least, "properties": {"email_id": ""}},
        "missing_properties": {"userId": "user_12345", "event": kind.event},
        "missing_user_id": {**nobody, "anonymousId": "anon-1"},
        "wrong_types": {**least, "properties": dict(zip(table(kind), WRONG, strict=False))},
        "wrong_members": {
            **least,
            **dict.fromkeys(("type", "properties", "context", "integrations", "sentAt", "originalTimestamp"), 5),
        },
        "nulls": {**dict.fromkeys(whole), **least, "properties": {**dict.fromkeys(table(kind)), **known}},
        "null_required": {**least, "anonymousId": "anon-1", "userId": None, "properties": {"email_id": None}},
        "bad_timestamp": {**least, "timestamp": "last Tuesday"},
        "milliseconds": {**least, "timestamp": 1705314600123},
        "contradicting_type": {**least, "type": "identify"},
        "unknown_members": {**least, "extra": [1], "properties": {**known, "additionalProperty": None, "device": {}}},
        "numeric_ids": {**least, "userId": 12345678901234567890, "messageId": 42},
        "bad_switch": {**least, "integrations": {"All": "no", "Mixpanel": 3}},
        "everything_wrong": {
            "anonymousId": "anon-1",
            "event": kind.event,
            "type": "page",
            "timestamp": True,
            "context": "x",
            "properties": dict(zip(table(kind), WRONG, strict=False)),
        },
        "no_identity": nobody,
        "no_identity_and_more": {"event": kind.event, "timestamp": "?", "properties": {"email_id": 7}},
    }
    for name in kind.aliases[:1]:
        about = {"context": {"traits": {"email": "user@example.com"}}}
        cases["alias"] = {**least, "event": name}
        cases["alias_with_notes"] = {"anonymousId": "anon-1", "event": name, "properties": {"campaign_id": 7}, **about}
        cases["alias_of_nothing"] = {"userId": "user_12345", "event": name, "properties": {}}
    return cases


def slug(kind):
    """Return the folder of an event's golden files."""
    return kind.event.lower().replace(" ", "-")


ALL = [(kind, case) for kind in Kind for case in cases(kind)]
