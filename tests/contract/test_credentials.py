"""Every disguise in which a write key arrives."""

import base64

import pytest

from postroad.contract.credentials import keys_in_header


def encoded(text: bytes) -> bytes:
    """Return base64 with its padding."""
    return base64.b64encode(text)


@pytest.mark.parametrize(
    ("header", "first"),
    [
        (b"Basic " + encoded(b"key:"), "key"),
        (b"Basic " + encoded(b"key:password:more"), "key"),
        (b"Basic " + encoded(b"key"), "key"),
        (b"Basic " + encoded(b"longer:").rstrip(b"="), "longer"),
        (b"basic " + encoded(b"key:"), "key"),
        (b"BASIC   " + encoded(b"key:") + b"  ", "key"),
        (b"Basic dev-write-key", "dev-write-key"),
        (b"Basic dev-write-key:", "dev-write-key"),
        (b"Basic username:password", "username"),
        (b"Bearer sk_us_abc123", "sk_us_abc123"),
        (b"bearer sk_us_abc123", "sk_us_abc123"),
        (b"Basic " + encoded("clé:".encode()), "clé"),
    ],
)
def test_the_likeliest_key_comes_first(header, first):
    """Encoded or raw, with or without colon and padding, in any case of the scheme."""
    assert keys_in_header(header)[0] == first


def test_what_could_be_base64_is_also_tried_raw():
    """A raw key whose letters happen to be base64 is found, after what it would decode to."""
    assert keys_in_header(b"Basic a2V5") == ("key", "a2V5")


@pytest.mark.parametrize(
    ("header", "keys"),
    [
        (b"Basic a2V5$Og==", ("a2V5$Og==",)),
        (b"Basic a2V5Og===", ("a2V5Og===",)),
        (b"Basic a2V 5Og==", ("a2V 5Og==",)),
        (b"Basic a", ("a",)),
        (b"Basic a2V5-w__", ("a2V5-w__",)),
    ],
)
def test_base64_is_strict(header, keys):
    """What is not valid base64 is only ever the raw key, never what a lenient decoder makes of it."""
    assert keys_in_header(header) == keys


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b" ",
        b"Basic",
        b"Basic ",
        b"Bearer",
        b"Digest a2V5Og==",
        b"Token abc",
        b"a2V5Og==",
        b"Bearer \xff\xfe",
        b"Basic \xff\xfe",
    ],
)
def test_other_headers_hold_no_key(header):
    """No scheme, another scheme, nothing behind it, or bytes that are no text."""
    assert keys_in_header(header) == ()


def test_an_encoded_key_that_is_no_text_is_left_out():
    """Bytes that aren't UTF-8 can't be a key; the raw form still can."""
    assert keys_in_header(b"Basic " + encoded(b"\xff\xfe:")) == (encoded(b"\xff\xfe:").decode(),)
