"""A type of source is found by name, and the rest of its table is read as its own settings."""

import sys
import tomllib
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from postroad import registry
from postroad.config import Config, key_hash, masked
from postroad.config.loading import load_document
from postroad.config.sorts import Duration
from postroad.errors import ConfigError
from postroad.secret import Secret
from postroad.sources.api import Api

FILE = """
[sources.app]
write_key = "dev-write-key"
strict = "always"
[sources.grid]
type = "sendgrid"
verification_key = "${GRID_KEY}"
"""


class SendGrid:
    """A type of source of another package."""

    class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Its settings."""

        verification_key: Annotated[Secret, Meta(description="What its calls are signed with.")]
        tolerance: Annotated[Duration, Meta(gt=0, description="How old a call may be.")] = 300.0


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with that type, and one that wants the name of ours."""
    module = ModuleType("postroad_sendgrid")
    vars(module)["SendGrid"] = SendGrid
    monkeypatch.setitem(sys.modules, module.__name__, module)
    points = [
        EntryPoint("sendgrid", "postroad_sendgrid:SendGrid", "postroad.sources"),
        EntryPoint("api", "no_such_package:Thief", "postroad.sources"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in points if point.group == group])


def loaded(text: str = FILE, **environ: str) -> Config:
    """Load a configuration with an environment."""
    return load_document(tomllib.loads(text), {"GRID_KEY": "s3cret", **environ}, registry.settings_type)


def test_each_type_has_its_settings() -> None:
    """What all sources share is read as ever, the rest as the type declares it; nothing secret shows."""
    config = loaded(POSTROAD__SOURCES__GRID__TOLERANCE="2m", POSTROAD__SOURCES__APP__WRITE_KEY="from-environment")
    app, grid = config.sources["app"], config.sources["grid"]
    assert (app.type, app.strict, app.region) == ("api", "always", "us")
    assert isinstance(app.settings, Api.Settings)
    assert app.key_hashes == {key_hash("from-environment")}
    assert grid.settings == SendGrid.Settings(verification_key=Secret("s3cret"), tolerance=120.0)
    assert grid.key_hashes == frozenset()
    shown = masked(config)["sources"]
    assert (shown["grid"]["verification_key"], shown["grid"]["tolerance"]) == ("***", "2m")
    assert "s3cret" not in f"{config} {shown}"
    assert "from-environment" not in f"{config} {shown}"


def test_every_problem_of_a_source() -> None:
    """An unknown type names the nearest; a setting of another type, a wrong one and a missing one are told at once."""
    text = FILE.replace("${GRID_KEY}", "") + (
        'write_key = "k"\ntolerence = 5\n'
        '[sources.mail]\ntype = "sendgird"\nanything = 1\n'
        '[sources.late]\ntype = "sendgrid"\ntolerance = "0s"\n'
        "[sources.keyless]\n"
    )
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    assert set(caught.value.problems) == {
        "sources.grid.verification_key: is empty",
        "sources.grid.write_key: is not a setting of type `sendgrid`",
        "sources.grid.tolerence: is not a setting of type `sendgrid`; did you mean `tolerance`?",
        "sources.mail.type: is not a type of source; did you mean `sendgrid`?",
        "sources.late.verification_key: is required",
        "sources.late.tolerance: must be a duration > 0",
        "sources.keyless.write_key: is required (or `write_key_sha256`)",
    }
