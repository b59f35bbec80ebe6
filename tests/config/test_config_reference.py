"""The reference is what the declarations say, and so is what people are shown."""

import re
from pathlib import Path

import msgspec
import pytest

import golden_files
from postroad import registry
from postroad.config import masked
from postroad.config.declared import settings_of, table_of
from postroad.config.loading import load_document, load_file
from postroad.config.model import Config, Destination, Region, Server, Source
from postroad.config.reference import default_file, reference
from postroad.config.schema import json_schema

DOCS = Path(__file__).parents[2] / "docs" / "reference"
TYPES = {
    section: {name: registry.settings_type(section, name) for name in names}
    for section, names in (("sources", registry.SOURCES), ("destinations", registry.DESTINATIONS))
}
STRUCTS = [struct for types in TYPES.values() for struct in types.values()]
SETTING = re.compile(r"^# (?=\[|[a-z_0-9.]+ = )", re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("configuration.md", reference(TYPES)),
        ("postroad.default.toml", default_file(TYPES)),
        ("postroad.schema.json", json_schema(TYPES).decode()),
    ],
)
def test_the_committed_reference(name, text):
    """The committed files are what the declarations say today."""
    golden_files.check(DOCS / name, text)


def leaves(struct):
    """Every setting of a table that has a value, those of tables inside it too."""
    for setting in settings_of(struct):
        inner = table_of(setting.kind)
        yield from leaves(inner) if inner else (setting,)


@pytest.mark.parametrize("struct", [Server, Region, Source, Destination, *STRUCTS])
def test_every_setting_has_a_sentence(struct):
    """Every field of a table is a setting with a sentence, but for those that hold a type's own."""
    described = {setting.name for setting in settings_of(struct)}
    assert set(struct.__struct_fields__) - described <= {"options", "settings"}
    for setting in leaves(struct):
        assert setting.description.endswith(".")
        assert "|" not in setting.description
        assert f"{setting.key}` |" in reference(TYPES)


def test_the_default_file_changes_nothing(tmp_path):
    """The default file as it is means the defaults."""
    path = tmp_path / "postroad.toml"
    path.write_text(default_file(TYPES))
    config = load_file(path, {})
    assert (config.server, config.regions) == (Server(), {"us": Region()})
    assert (config.sources, config.destinations) == ({}, {})


def test_the_default_file_uncommented(tmp_path):
    """With every line uncommented it is right, and what has a default still has it."""
    path = tmp_path / "postroad.toml"
    path.write_text(SETTING.sub("", default_file(TYPES)))
    digest = "ab" * 32
    config = load_file(path, {"APP_KEY": "key", "APP_KEY_SHA256": digest}, registry.settings_type)
    examples = {
        "server": {"tls", "transform_path", "trusted_proxies"},
        "regions": {"hosts"},
        "sources": {"options", "settings", "strict", "region", "public", "may", "rate"},
        "destinations": {"names", "events", "region", "batch", "rate", "settings", "transform", "type", "was"},
    }
    tables = [("server", config.server, Server())]
    tables += [("regions", config.regions["us"], Region()), ("sources", config.sources["app"], Source())]
    tables += [("destinations", config.destinations["events"], Destination(type="file"))]
    for section, found, default in tables:
        changed = {name for name in found.__struct_fields__ if getattr(found, name) != getattr(default, name)}
        assert changed - {"type"} == examples[section] - {"type"}
    assert set(config.sources["app"].keys) == {"write_key", "write_key_sha256"}


def test_masking():
    """People see every setting as the file writes it, and no secret: keys, expanded values, secret settings."""
    document = {
        "server": {"data_dir": "${DIR}"},
        "sources": {"app": {"write_key": "dev-write-key"}},
        "destinations": {
            "crm": {
                "type": "webhook",
                "url": "https://u:pass@x",
                "headers": {"X-Api-Key": "s3cret"},
                "from": "now",
            },
            "out": {"type": "file", "path": "/var/events", "keep": 5},
            "exp": {"type": "file", "path": "${DIR}", "events": ["${DIR}"]},
        },
    }
    config = load_document(document, {"DIR": "/secret-dir"}, registry.settings_type)
    shown = masked(config)
    assert shown["server"]["data_dir"] == "***"
    assert shown["server"]["bind"] == "127.0.0.1:8080"
    assert shown["regions"]["us"]["rejections"]["known_bytes"] == "64MiB"
    assert shown["sources"]["app"]["write_key"] == "***"
    destinations = shown["destinations"]
    assert destinations["crm"]["headers"] == "***"
    assert destinations["crm"]["from"] == "now"
    assert destinations["crm"]["retry"]["max_age"] == "24h"
    assert (destinations["out"]["path"], destinations["out"]["keep"]) == ("/var/events", 5)
    assert (destinations["exp"]["path"], destinations["exp"]["events"]) == ("***", "***")
    assert masked(load_document(document, {"DIR": "/secret-dir"}))["destinations"]["out"]["path"] == "***"
    for secret in ("dev-write-key", "u:pass", "s3cret", "/secret-dir"):
        assert secret not in repr(shown)
    assert msgspec.json.encode(shown)
    assert set(shown) == {setting.key for setting in settings_of(Config)}
