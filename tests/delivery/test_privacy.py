"""What a destination learns of people is what its `pii` modes allow, and nothing else of an event changes."""

import hashlib
import hmac
import itertools
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.clock import SystemClock
from postroad.config.model import Pii, PiiMode
from postroad.destinations.base import Event
from postroad.errors import ConfigError, StoreUnavailable
from postroad.shaping.privacy import Mask
from postroad.shaping.shape import make_shape, pii_key
from postroad.testing.events import every_email_event, plain_track, unusual_events

KEY = bytes(range(32))
HIDDEN: list[PiiMode] = ["hash", "drop"]
EXACT = b'{"a":123456789012345678901234567890,"b":1.0e-7,"c":1.00,"d":"tab\\t \\u2028 \\u0000 \\/","e":[null,true]}'


def hashed(text: str) -> str:
    """Return what stands in the place of a text."""
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()


def masked(body: object, **modes: PiiMode) -> Any:
    """Return what is left of a body."""
    return json.loads(Mask(Pii(**modes), KEY)(json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("field", "value", "places"),
    [
        ("email", "ada@example.com", ["context.traits.email", "traits.email", "properties.email", "context.email"]),
        ("email", "ada@example.com", ["properties.email_address", "traits.emailAddress", "context.cc.0.email"]),
        ("ip", "192.0.2.7", ["context.ip", "context.traits.ip", "properties.ip", "context.ip_address"]),
        ("ip", "2001:db8::7", ["properties.geo.ipAddress"]),
        ("user_agent", "Mozilla/5.0", ["context.userAgent", "context.user_agent", "context.traits.user_agent"]),
        ("user_agent", "Chromium", ["context.userAgentData"]),
        ("link_url", "https://example.com/p?u=7", ["properties.link_url", "properties.linkUrl"]),
    ],
)
def test_each_is_hidden_where_it_lives(field: str, value: str, places: list[str]) -> None:
    """`drop` takes the member away, `hash` puts the keyed hash of its text there, `pass` leaves it."""
    modes: dict[PiiMode, object] = {"pass": value, "hash": hashed(value), "drop": None}
    for place, (mode, left) in itertools.product(places, modes.items()):
        *path, name = place.split(".")
        inner = {name: left, "kept": 1} if left is not None else {"kept": 1}
        assert masked(_nested(path, {name: value, "kept": 1}), **{field: mode}) == _nested(path, inner)


def _nested(path: list[str], inner: object) -> object:
    for step in reversed(path):
        inner = [inner] if step.isdigit() else {step: inner}
    return inner


def test_one_address_has_one_hash() -> None:
    """However an address is written, its hash is that of the stripped, lower-case one; other texts stay as written."""
    body = {"traits": {"email": " Ada@Example.COM "}, "context": {"userAgent": "Mozilla/5.0 "}}
    left = masked(body, email="hash", user_agent="hash")
    assert left["traits"]["email"] == hashed("ada@example.com")
    assert left["context"]["userAgent"] == hashed("Mozilla/5.0 ")
    assert Mask(Pii(email="hash"), bytes(32))(json.dumps(body).encode()) != json.dumps(left).encode()


def test_the_documented_hash() -> None:
    """The line on the documentation's page gives the hash that goes out."""
    page = (Path(__file__).parents[2] / "docs" / "transforms-and-privacy.md").read_text()
    line = re.findall(r"```python\n(hmac.*?)\n```", page)[0]
    found = eval(line, {"hmac": hmac, "key": KEY, "address": " Ada@example.com"})  # noqa: S307 -- our own page
    assert masked({"email": "ada@example.com"}, email="hash") == {"email": found}


@pytest.mark.parametrize("mode", HIDDEN)
def test_an_address_is_hidden_where_it_names_somebody(mode: PiiMode) -> None:
    """Ids that are an address, and any other text that is exactly the recipient's, count as an address."""
    body = {
        "userId": "ADA@example.com",
        "anonymousId": "someone@else.example",
        "previousId": "plain",
        "properties": {"recipient": "ada@example.com", "to": ["Ada@example.com", "x"], "email_id": "<1@mx.example>"},
        "context": {"traits": {"email": "ada@example.com"}, "externalIds": [{"id": "ada\u0040example.com"}]},
        "messageId": "ada@example.com",
    }
    left = masked(body, email=mode)
    assert "ada@example.com" not in json.dumps({**left, "messageId": ""}).lower()
    assert left["messageId"] == "ada@example.com"
    assert left["properties"]["email_id"] == "<1@mx.example>"
    assert left["previousId"] == "plain"
    if mode == "hash":
        assert left["userId"] == left["context"]["externalIds"][0]["id"] == hashed("ada@example.com")
        assert left["anonymousId"] == hashed("someone@else.example")
        assert left["properties"]["to"] == [hashed("ada@example.com"), "x"]
    else:
        assert left["properties"] == {"to": ["x"], "email_id": "<1@mx.example>"}
        assert "userId" not in left
        assert "anonymousId" not in left


def test_an_escaped_address_is_found_too() -> None:
    """Neither an escaped at sign nor an escaped member name hides an address."""
    body = rb'{"context":{"traits":{"em\u0061il":"ada\u0040example.com"}},"properties":{"to":"ada\u0040example.com"}}'
    assert Mask(Pii(email="drop"), KEY)(body) == b'{"context":{"traits":{}},"properties":{}}'


def test_a_member_that_is_there_twice_hides_nothing() -> None:
    """Of repeated members only the last is looked at, so only the last goes out."""
    body = b'{"context":{"ip":"192.0.2.7"},"context":{},"a":{"ip":"192.0.2.7","ip":null}}'
    assert Mask(Pii(ip="hash"), KEY)(body) == b'{"context":{},"a":{"ip":null}}'


@pytest.mark.parametrize("value", [1, 1.5, True, {"address": "ada@example.com"}, {}])
def test_what_is_no_text_is_left_out(value: object) -> None:
    """What can't be hashed is dropped, whichever of the two was asked for."""
    for mode in HIDDEN:
        assert masked({"traits": {"email": value, "x": 1}}, email=mode) == {"traits": {"x": 1}}


def test_null_and_lists() -> None:
    """Null tells nothing and stays under `hash`; each member of a list is treated as if it were alone."""
    assert masked({"email": None, "ip": ["192.0.2.7", None, 7]}, email="hash", ip="hash") == {
        "email": None,
        "ip": [hashed("192.0.2.7"), None],
    }
    assert masked({"email": None, "ip": ["192.0.2.7", None, 7]}, email="drop", ip="drop") == {"ip": []}


@pytest.mark.parametrize("modes", list(itertools.product(["pass", "hash", "drop"], repeat=4)))
def test_everything_else_keeps_its_bytes(modes: tuple[PiiMode, PiiMode, PiiMode, PiiMode]) -> None:
    """Numbers and texts that are nobody's data go out byte for byte, under any combination of modes."""
    mask = Mask(Pii(*modes), KEY)
    body = b'{"type":"track","properties":' + EXACT + b',"context":{"traits":{"x":' + EXACT + b"}}}"
    assert mask(body) == body
    for event in [plain_track(), *unusual_events()]:
        assert json.loads(mask(event.body), parse_int=str, parse_float=str) == json.loads(
            event.body, parse_int=str, parse_float=str
        )
    full = b'{"context":{"ip":"192.0.2.7","x":' + EXACT + b'},"properties":{"link_url":"https://x.example"}}'
    assert EXACT in mask(full)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["email", "ip", "userId", "x", "to"]), inner),
)


@given(st.dictionaries(st.sampled_from(["traits", "properties", "context", "userId", "to"]), json_values))
def test_no_shape_of_event_lets_an_address_through(body: dict[str, Any]) -> None:
    """Wherever else the recipient's address is put as a whole text, it doesn't go out."""
    body = {
        **body,
        "copy": [{"to": "ada@example.com"}],
        "traits": {"was": body.get("traits"), "email": "ADA@example.com"},
    }
    for mode in HIDDEN:
        left = masked(body, email=mode, ip=mode)
        assert "ada@example.com" not in json.dumps(left).lower()


async def test_email_events_lose_nothing_but_the_recipient(tmp_path: Path) -> None:
    """A semantic event with its address dropped is the same event otherwise."""
    shape = make_shape("", Pii(email="drop"), tmp_path, SystemClock())
    assert shape is not None
    for event in every_email_event():
        shaped = await shape(event)
        assert isinstance(shaped, Event)
        assert shaped == event._replace(body=event.body.replace(b'"email":"ada@example.com"', b""))
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_made_once(tmp_path: Path) -> None:
    """The key is 32 random bytes that only the owner may read, and stays."""
    key = pii_key(tmp_path)
    assert len(key) == 32
    assert pii_key(tmp_path) == key
    file = tmp_path / "pii-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (tmp_path / "other").mkdir()
    assert pii_key(tmp_path / "other") != key


@pytest.mark.parametrize("text", [b"", b"00", b"not a key", b"\xff" * 64, b"00" * 33])
def test_a_broken_key_is_never_replaced(text: bytes, tmp_path: Path) -> None:
    """A key file that is none stops the start: with a new key, everybody would get another hash."""
    (tmp_path / "pii-key").write_bytes(text)
    with pytest.raises(ConfigError, match="is not a key of 64 hexadecimal digits; restore it from a backup"):
        pii_key(tmp_path)
    assert (tmp_path / "pii-key").read_bytes() == text


def test_a_key_that_cannot_be_kept_is_not_used(tmp_path: Path) -> None:
    """Without a place for the key nothing starts."""
    with pytest.raises(StoreUnavailable, match="pii-key: No such file or directory"):
        make_shape("", Pii(email="hash"), tmp_path / "missing", SystemClock())
