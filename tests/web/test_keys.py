"""Who may send: keys in all their disguises, and what strangers are told."""

import base64
import json
from hashlib import sha256

import pytest
from wire import GOOD, KEY

SEED = b"""{
  "userId": "user_12345",
  "type": "track",
  "event": "Email Bounced",
  "timestamp": "2024-01-15T10:30:00.000Z",
  "properties": {
    "email_id": "msg_abc123",
    "email_subject": "Your weekly newsletter",
    "campaign_id": "camp_456",
    "campaign_name": "Weekly Newsletter Campaign",
    "additionalProperty": null
  },
  "context": {
    "traits": {
      "email": "user@example.com"
    },
    "additionalProperty": "anything"
  },
  "integrations": {
    "All": false,
    "Mixpanel": true,
    "Segment": true
  }
}"""


def encoded(pair):
    """Return base64 of a pair of user name and password."""
    return base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        f"Basic {encoded(KEY + ':')}",
        f"Basic {encoded(KEY + ':')}".rstrip("="),
        f"Basic {encoded(KEY)}",
        f"Basic {encoded(KEY + ':password')}",
        f"basic {encoded(KEY + ':')}",
        f"Basic {KEY}",
        f"Basic {KEY}:",
        f"Basic {KEY}:password",
        f"Bearer {KEY}",
    ],
)
async def test_the_documented_request_with_every_form_of_the_key(server, authorization):
    """The documentation's own example is stored and answered 200 with `{}`, without a violation."""
    headers = ("Content-Type: application/json", f"Authorization: {authorization}")
    reply = await server.post(SEED, *headers, strict=True, key=None)
    assert (reply.status, reply.body) == (200, b"{}")
    assert "x-postroad-violations" not in reply.headers
    assert len(await server.stored()) == 1


STRANGERS = {
    "no header": ((), "key_missing", ""),
    "an empty header": (("Authorization:",), "key_missing", ""),
    "a scheme alone": (("Authorization: Basic",), "key_missing", ""),
    "another scheme": ((f"Authorization: Digest {KEY}",), "key_missing", ""),
    "no scheme": ((f"Authorization: {KEY}",), "key_missing", ""),
    "another key": ((f"Authorization: Basic {encoded('other:')}",), "key_unknown", "other"),
    "the key as the password": ((f"Authorization: Basic {encoded('x:' + KEY)}",), "key_unknown", "x"),
    "bad base64": (("Authorization: Basic !!!",), "key_unknown", "!!!"),
    "another case": ((f"Authorization: Bearer {KEY.upper()}",), "key_unknown", KEY.upper()),
}


@pytest.mark.parametrize(("headers", "code", "key"), STRANGERS.values(), ids=STRANGERS)
async def test_strangers(server, headers, code, key):
    """Strict: 401 with a challenge. Permissive: 200 and a rejection without the body or the key."""
    strict = await server.post(GOOD, *headers, strict=True, key=None)
    assert (strict.status, json.loads(strict.body)["code"], strict.codes) == (401, "unauthorized", [code])
    assert strict.headers["www-authenticate"].startswith("Basic ")
    assert await server.rejected() == []
    assert (await server.post(GOOD, *headers, key=None)).status == 200
    [rejection] = await server.rejected()
    assert (rejection.source, rejection.code, rejection.body, rejection.size) == ("", code, None, len(GOOD))
    assert rejection.key_fingerprint == (sha256(key.encode()).hexdigest()[:8] if key else "")
    assert await server.stored() == []
