"""What a change is easily forgotten at: a verb that no list names, a setting that nobody reads."""

import re
from pathlib import Path

import msgspec
import pytest

from postroad.cli.program import VERBS
from postroad.config import model

SRC = Path(__file__).parent.parent / "src" / "postroad"
STRUCTS = [one for one in vars(model).values() if isinstance(one, type) and issubclass(one, msgspec.Struct)]
NOT_YET = {"may"}
"""Declared for what is to come, which the reference says."""
SETTINGS = sorted({name for one in STRUCTS for name in one.__struct_fields__} - NOT_YET)
CODE = "\n".join(file.read_text() for file in SRC.rglob("*.py") if file.parent.name != "config")


def test_every_verb_is_listed():
    """Each module of the command line that has a command is one that `postroad --help` lists."""
    modules = [file for file in (SRC / "cli").glob("*.py") if "\napp = " in file.read_text()]
    assert {module.stem.rstrip("_") for module in modules} == set(VERBS)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_read(name):
    """What can be set changes something: code outside of `config/` asks for it."""
    assert re.search(rf"\.{name}\b|[\"']{name}[\"']", CODE)
