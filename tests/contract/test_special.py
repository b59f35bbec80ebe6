"""Track names with a meaning of their own: exact, typed, and never a reason to refuse an event."""

import pytest

from postroad.contract.special import About, DeliveryEvent, DeliveryProperties, Special, read_special, special_of

NAMES = {
    "User Deleted": Special.USER_DELETED,
    "User Suppressed": Special.USER_SUPPRESSED,
    "User Unsuppressed": Special.USER_UNSUPPRESSED,
    "Report Delivery Event": Special.REPORT_DELIVERY_EVENT,
    "user deleted": None,
    "Email Opened": None,
    "": None,
}


@pytest.mark.parametrize(("name", "special"), NAMES.items())
def test_names_are_exact(name, special):
    """Four names are special, and nothing that only resembles them."""
    assert special_of(name) is special


def test_a_person_event_says_whom_it_is_about():
    """Whoever acts on it gets the ids in types."""
    assert read_special(Special.USER_DELETED, b'{"userId":"u","x":1}') == About(userId="u")


def test_a_delivery_event_says_what_happened_to_which_message():
    """The mobile SDKs' push metrics come with metric, delivery id and device token."""
    body = b'{"anonymousId":"a","properties":{"metric":"opened","deliveryId":"d","recipient":"t"}}'
    properties = DeliveryProperties(metric="opened", deliveryId="d", recipient="t")
    assert read_special(Special.REPORT_DELIVERY_EVENT, body) == DeliveryEvent(anonymousId="a", properties=properties)


def test_members_of_other_types_are_no_error():
    """What can't be read in types is an ordinary track event."""
    assert read_special(Special.USER_DELETED, b'{"userId":{}}') is None
