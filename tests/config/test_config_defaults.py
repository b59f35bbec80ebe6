"""Without a file Postroad starts with a small configuration and secrets of its own."""

import os
import re
import stat
from pathlib import Path

import pytest

from postroad.config import (
    config_file,
    ensure_admin_token,
    ensure_defaults,
    fingerprint,
    first_config,
    key_hash,
    load,
    load_default,
    new_key,
    read_admin_token,
)
from postroad.errors import ConfigError, StoreUnavailable
from postroad.registry import settings_type


@pytest.fixture
def environ(tmp_path):
    """A start without a file, its data folder not there yet."""
    return {"POSTROAD__SERVER__DATA_DIR": str(tmp_path / "data")}


def test_the_first_start(environ, tmp_path):
    """One region, one source with a key made now and kept privately, one file destination."""
    config, key, created = ensure_defaults(environ, settings_type)
    assert created
    assert key is not None
    assert key.startswith("sk_us_")
    assert list(config.regions) == ["us"]
    assert config.sources["app"].key_hashes == {key_hash(key)}
    events = config.destinations["events"]
    assert (events.type, events.start_from, events.options) == ("file", "beginning", {})
    kept = tmp_path / "data" / "write-key"
    assert kept.read_text() == f"{key}\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_the_second_start(environ):
    """The key stays the same, and other commands and processes find it."""
    first = ensure_defaults(environ, settings_type)
    second = ensure_defaults(environ, settings_type)
    assert (second.key, second.created) == (first.key, False)
    for config in (second.config, load_default(environ, settings_type), load(None, environ, settings_type)):
        assert config.sources["app"].key_hashes == first.config.sources["app"].key_hashes


def test_a_start_that_others_reach(environ):
    """A start without a file may listen where others reach it: the key that it makes is one that nobody guesses."""
    open_to_all = {**environ, "POSTROAD__SERVER__BIND": "0.0.0.0:8080"}
    first_config(open_to_all, settings_type)
    assert str(ensure_defaults(open_to_all, settings_type).config.server.bind) == "0.0.0.0:8080"


def test_before_the_first_start(environ, tmp_path):
    """Other commands make nothing; they say what is missing."""
    with pytest.raises(ConfigError, match=r"no configuration file was given .* does not exist"):
        load_default(environ, settings_type)
    assert not (tmp_path / "data").exists()


def test_overrides(environ, tmp_path):
    """The environment changes the defaults too; a key of its own is used and none is made."""
    environ |= {"POSTROAD__SOURCES__APP__WRITE_KEY": "dev-write-key", "POSTROAD__DESTINATIONS__EVENTS__PATH": "/e"}
    config, key, created = ensure_defaults(environ, settings_type)
    assert (key, created) == (None, False)
    assert config.sources["app"].key_hashes == {key_hash("dev-write-key")}
    assert config.destinations["events"].options == {"path": "/e"}
    assert not (tmp_path / "data").exists()
    assert load_default(environ, settings_type).sources == config.sources


def test_problems(environ):
    """A variable that names nothing stops the start before anything is made."""
    with pytest.raises(ConfigError, match=r"^POSTROAD__SERVER__BNID: names no setting"):
        ensure_defaults(environ | {"POSTROAD__SERVER__BNID": "x"})


def test_a_damaged_key(environ, tmp_path):
    """An empty or unreadable key file is told, not replaced: clients may still use the key."""
    ensure_defaults(environ, settings_type)
    kept = tmp_path / "data" / "write-key"
    for content in (b"", b"\xff"):
        kept.write_bytes(content)
        with pytest.raises(ConfigError, match="is empty or not a text; remove it"):
            ensure_defaults(environ, settings_type)
        assert kept.read_bytes() == content
    kept.unlink()
    kept.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_default(environ, settings_type)


def test_a_key_with_a_reference_in_it(environ, tmp_path):
    """A kept key is taken as it is."""
    ensure_defaults(environ, settings_type)
    (tmp_path / "data" / "write-key").write_text("a${HOME}b")
    assert ensure_defaults(environ, settings_type).config.sources["app"].key_hashes == {key_hash("a${HOME}b")}


def test_a_folder_that_cannot_be_made(tmp_path):
    """A data folder that can't be made is an error of the store, with its path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="file/data: Not a directory"):
        ensure_defaults({"POSTROAD__SERVER__DATA_DIR": str(tmp_path / "file" / "data")})


def test_the_admin_token(tmp_path):
    """The admin token is made once, kept privately, and is long."""
    folder = tmp_path / "data"
    assert read_admin_token(folder) is None
    token, created = ensure_admin_token(folder)
    assert created
    assert len(token) >= 32
    assert ensure_admin_token(folder) == (token, False)
    assert read_admin_token(folder) == token
    assert stat.S_IMODE((folder / "admin-token").stat().st_mode) == 0o600


def test_a_token_that_somebody_else_put_there(tmp_path, monkeypatch):
    """A token that others may write, or that is another user's, is refused with what to do; root's own is taken."""
    ensure_admin_token(tmp_path)
    file = tmp_path / "admin-token"
    file.chmod(0o620)
    for read in (ensure_admin_token, read_admin_token):
        with pytest.raises(ConfigError, match=f"others may write in {file}; run `chmod go-w {file}`"):
            read(tmp_path)
    file.chmod(0o600)
    owner = file.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        assert read_admin_token(tmp_path)
        os.chown(file, 4711, -1)
    with pytest.raises(ConfigError, match=f"{file} belongs to another user"):
        read_admin_token(tmp_path)


def test_new_keys():
    """Keys carry their kind and region, are never the same, and can be sent in every header."""
    keys = {new_key("us") for _ in range(100)} | {new_key("eu-1", publishable=True)}
    assert len(keys) == 101
    assert sum(key.startswith("sk_us_") for key in keys) == 100
    assert sum(key.startswith("pk_eu-1_") for key in keys) == 1
    assert all(re.fullmatch(r"[a-z0-9_-]+_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_hashes():
    """A key is known by its SHA-256, and shown by the first eight digits of it; any text has one."""
    assert key_hash("second") == "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4"
    assert fingerprint("second") == "16367aac"
    assert len(key_hash("\ud800")) == 64


def test_the_file_in_this_folder(environ, tmp_path, monkeypatch):
    """Without a file that is named, `./postroad.toml` is used when it is there; one that can't be read is an error."""
    monkeypatch.chdir(tmp_path)
    assert config_file(None, environ) is None
    file = tmp_path / "postroad.toml"
    file.write_text('[sources.here]\nwrite_key = "k"\n')
    assert config_file(None, environ) == Path("postroad.toml")
    assert list(load(None, environ, settings_type).sources) == ["here"]
    assert config_file(None, environ | {"POSTROAD_CONFIG": "other.toml"}) == Path("other.toml")
    assert config_file(Path("given.toml"), environ) == Path("given.toml")
    file.unlink()
    file.symlink_to(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"postroad\.toml: cannot be read"):
        load(None, environ, settings_type)
