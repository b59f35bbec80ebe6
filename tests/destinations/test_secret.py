"""Secrets never show themselves."""

import msgspec
import pytest

from postroad.secret import Secret, Secrets, dec_hook, enc_hook


class Settings(msgspec.Struct):
    """Settings with secrets in every position."""

    token: Secret
    keys: Secrets = Secrets()
    headers: dict[str, Secret] = {}


def read(raw: object) -> Settings:
    """Read settings as the configuration does."""
    return msgspec.convert(raw, Settings, dec_hook=dec_hook)


def test_a_secret_prints_as_stars() -> None:
    """Whatever way a secret is printed, alone or inside settings, its value does not show."""
    secret = Secret("hunter2")
    settings = read({"token": "hunter2", "keys": ["hunter2"], "headers": {"a": "hunter2"}})
    shown = f"{secret} {secret!r} {secret:>10} {secret!s} {[secret]} {settings} %s" % secret
    assert "hunter2" not in shown
    assert shown.count("***") == 9


def test_a_secret_is_revealed_on_purpose() -> None:
    """`reveal` returns the text."""
    assert Secret("hunter2").reveal() == "hunter2"


def test_secrets_are_equal_by_value() -> None:
    """Two secrets of one text are equal and hash alike, a plain text never equals a secret."""
    assert Secret("żółw") == Secret("żółw")
    assert hash(Secret("żółw")) == hash(Secret("żółw"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@pytest.mark.parametrize(
    ("raw", "values"),
    [("one", ["one"]), (["new", "old"], ["new", "old"])],
)
def test_secrets_are_one_or_a_list(raw: object, values: list[str]) -> None:
    """A setting for rotation takes one text or a list of them, in order."""
    assert [key.reveal() for key in read({"token": "t", "keys": raw}).keys] == values


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"token": ""}, "is empty - at `$.token`"),
        ({"token": 7}, "must be a text - at `$.token`"),
        ({"token": "t", "keys": ["a", ""]}, "is empty - at `$.keys`"),
        ({"token": "t", "keys": []}, "is an empty list; leave it out to do without - at `$.keys`"),
        ({"token": "t", "headers": {"a": None}}, "must be a text - at `$.headers[...]`"),
    ],
)
def test_what_is_no_secret_is_refused(raw: object, sentence: str) -> None:
    """An empty or mistyped secret is an error with its place."""
    with pytest.raises(msgspec.ValidationError) as caught:
        read(raw)
    assert str(caught.value) == sentence


def test_encoders_write_stars() -> None:
    """What is written as JSON is masked too."""
    settings = read({"token": "hunter2", "keys": "hunter2"})
    written = msgspec.json.encode(settings, enc_hook=enc_hook)
    assert written == b'{"token":"***","keys":["***"],"headers":{}}'


def test_nothing_else_is_read_or_written() -> None:
    """The hooks refuse types that are not theirs, so that a wrong declaration is found at once."""
    with pytest.raises(NotImplementedError):
        dec_hook(complex, "1")
    with pytest.raises(NotImplementedError):
        enc_hook(1j)
