"""Names that are nearly those of email events are noted, and nothing else is done about them."""

import json

import pytest

from postroad.contract.calls import Type
from postroad.contract.decode import decode
from postroad.contract.email import ALIASES, KINDS
from postroad.contract.near import near_event
from postroad.contract.violations import Code


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Email Delivred", "Email Delivered"),
        ("email_delivered", "Email Delivered"),
        ("emailLinkClicked", "Email Link Clicked"),
        ("EMAIL BOUNCED", "Email Bounced"),
        ("Email Marked as spam", "Email Marked as Spam"),
        ("Email Subscribed", None),
        ("Email Sent", None),
        ("Email Soft Bounced", None),
        ("Order Completed", None),
        ("", None),
        ("E D" + "x" * 10_000, None),
        *((name, None) for name in (*KINDS, *ALIASES)),
    ],
)
def test_what_a_name_resembles(name, near):
    """A slip of the pen or another spelling is recognised; a name of its own, or another tool's, is left alone."""
    assert near_event(name) == near


def test_a_near_miss_is_a_note():
    """The event is taken as it came, is no email event, has no violation, and says what was probably meant."""
    call = decode(json.dumps({"userId": "u", "event": "email_opened"}).encode(), Type.TRACK, 0, lambda: "m")
    assert (call.kind, call.name, call.violations) == (None, "email_opened", ())
    [note] = call.notes
    assert (note.path, note.code) == ("event", Code.SIMILAR_NAME)
    assert "did you mean `Email Opened`?" in note.message
