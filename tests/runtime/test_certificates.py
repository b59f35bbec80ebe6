"""Files for TLS that can't be used are told before anything is started."""

from pathlib import Path

import pytest

from postroad.config.loading import load_document
from postroad.errors import ConfigError
from postroad.runtime.surroundings import check_surroundings

BOTH = Path(__file__).parents[1] / "destinations" / "untrusted.pem"


def part(title):
    """Return the certificate or the key alone."""
    text = BOTH.read_text()
    start = text.index(f"-----BEGIN {title}-----")
    end = f"-----END {title}-----\n"
    return text[start : text.index(end) + len(end)]


def checked(cert, key):
    """Check a configuration with these files; returns what is said of them."""
    config = load_document({"server": {"tls": {"cert": str(cert), "key": str(key)}}}, {})
    try:
        check_surroundings(config)
    except ConfigError as error:
        return list(error.problems)
    return []


def test_files_that_can_be_used():
    """A certificate and its key are fine, and so is no TLS at all."""
    assert checked(BOTH, BOTH) == []
    check_surroundings(load_document({}, {}))


def test_files_that_are_not_there(tmp_path):
    """Each file that can't be read is named, with the setting and why."""
    cert, key = checked(tmp_path / "c.pem", tmp_path / "k.pem")
    assert cert.startswith("server.tls.cert: ")
    assert f"{tmp_path}/c.pem can't be read: No such file" in cert
    assert f"{tmp_path}/k.pem can't be read: No such file" in key


@pytest.mark.parametrize("content", ["", "no pem", "key", "cut off"])
def test_files_that_are_something_else(tmp_path, content):
    """What is no certificate and no key is told in a sentence, not by a process that dies again and again."""
    key = next(title for title in ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY") if title in BOTH.read_text())
    texts = {"key": part(key), "cut off": BOTH.read_text()[:200]}
    file = tmp_path / "c.pem"
    file.write_text(texts.get(content, content))
    (said,) = checked(file, BOTH)
    assert said.startswith("server.tls: ")
    assert str(file) in said


def test_a_key_that_asks_for_a_password():
    """A server has nobody to ask: an encrypted key is refused, with what to give instead."""
    (said,) = checked(BOTH, Path(__file__).parent / "encrypted.pem")
    assert "the key is encrypted; give one that is not" in said
