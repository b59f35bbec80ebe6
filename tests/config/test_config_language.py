"""One reader, one language: every setting, ours and every type's, is spoken of in the same words."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from postroad import registry
from postroad.config.declared import Setting, settings_of, table_of
from postroad.config.model import Destination, Region, Server, Source
from postroad.config.problems import Origin, Problem
from postroad.config.reading import read_settings
from postroad.config.sorts import Duration, Size
from postroad.secret import Secret, Secrets

TYPES = [
    (f"{section}.{name}", registry.settings_type(section, name))
    for section, names in (("sources", registry.SOURCES), ("destinations", registry.DESTINATIONS))
    for name in names
]
STRUCTS = [("server", Server), ("regions", Region), ("sources", Source), ("destinations", Destination), *TYPES]
WRONG: list[Any] = [7, -1, 1.5, True, "", "hunter2 \0", "[", [7], [[]], {}, {"hunter2": 7}, date(2024, 1, 15)]
PYTHON = re.compile(
    r"`(str|int|float|bool|list|tuple|dict|set|array|object|null|NoneType|bytes|date|datetime)`|xpected"
)


def leaves(struct: type[Struct], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Setting]]:
    """Every setting, those of tables in tables too."""
    for setting in settings_of(struct):
        inner = table_of(setting.kind)
        yield (*path, setting.key), setting
        yield from leaves(inner, (*path, setting.key)) if inner else ()


def told(struct: type[Struct], table: dict[str, Any]) -> list[str]:
    """What is said of a table."""
    problems: list[Problem] = []
    found = read_settings(struct, table, ("t",), problems)
    assert found is not None or problems
    return Origin().sentences(problems)


@pytest.mark.parametrize(("place", "struct"), STRUCTS, ids=[place for place, _ in STRUCTS])
def test_every_wrong_value(place: str, struct: type[Struct]) -> None:
    """Whatever is wrong with whatever setting, the sentence names its path, says what it must be in plain words, and
    never repeats the value.
    """
    for path, _ in leaves(struct):
        seen = 0
        for value in WRONG:
            table: Any = value
            for part in reversed(path):
                table = {part: table}
            mine = [sentence for sentence in told(struct, table) if sentence.startswith(".".join(("t", *path)))]
            seen += bool(mine)
            for sentence in mine:
                assert re.match(r"t\.[^ ]+: (must |is |has |needs |can't )", sentence), (place, sentence)
                assert not PYTHON.search(sentence), (place, sentence)
                assert "hunter2 " not in sentence
        assert seen, f"{place}: nothing is wrong for {path}"


class Plain(Struct, frozen=True, tag="plain", tag_field="by"):
    """One way to sign in."""

    user: str


class Token(Struct, frozen=True, tag="token", tag_field="by"):
    """Another."""

    token: Annotated[Secret, Meta(description="The token.")]


class Window(Struct, frozen=True):
    """A table in a table."""

    days: Annotated[int, Meta(ge=1, le=7)]
    since: date | None = None


class Plugin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of somebody else's type; that they have no sentences is no reason to forget them."""

    sign_in: Annotated[Plain | Token, Meta(description="How to sign in.")]
    keys: Secrets = Secrets()
    window: Window | None = None
    windows: list[Window] = []
    level: Literal[1, 2] = 1
    limit: int | Literal["none"] = "none"
    wait: Annotated[Duration, Meta(gt=0)] = 1.0
    size: Size | None = None
    tags: Annotated[dict[str, str], Meta(max_length=1)] = {}
    options: dict[str, int] = {}

    def __post_init__(self) -> None:
        """A rule about two settings."""
        if self.level == 2 and not self.keys:
            raise ValueError("keys: are required at level 2")


def test_a_plugin_is_read() -> None:
    """Unions, tagged tables, tables in tables, lists of them, secrets and bounds are read as declared; texts too."""
    problems: list[Problem] = []
    table = {
        "sign_in": {"by": "token", "token": "s3cret"},
        "keys": '["a", "b"]',
        "window": {"days": "3", "since": "2024-01-15"},
        "windows": [{"days": 1}],
        "level": "2",
        "limit": "5",
        "wait": "2m",
        "options": {"a": 1},
    }
    found = read_settings(Plugin, table, (), problems)
    assert problems == []
    assert found == Plugin(
        sign_in=Token(Secret("s3cret")),
        keys=Secrets([Secret("a"), Secret("b")]),
        window=Window(3, date(2024, 1, 15)),
        windows=[Window(1)],
        level=2,
        limit=5,
        wait=120.0,
        options={"a": 1},
    )


def test_a_plugin_is_spoken_of_as_ours() -> None:
    """All that is wrong with it is said at once, with near misses, each at its own place."""
    table = {
        "sign_in": {"by": "tokn"},
        "keys": ["a", 7],
        "window": {"days": 9, "sinc": 1},
        "windows": [{"days": 1}, {}],
        "level": 3,
        "limit": "nome",
        "wait": "0s",
        "tags": {"a": "b", "c": "d"},
        "siz": 5,
    }
    assert set(told(Plugin, table)) == {
        "t.sign_in: must have a `by`: `plain` or `token`; did you mean `token`?",
        "t.keys[1]: must be a text, not a whole number",
        "t.window.days: must be a whole number <= 7",
        "t.window.sinc: is not a setting of this table; did you mean `since`?",
        "t.windows[1].days: is required",
        "t.level: must be `1` or `2`",
        "t.limit: must be a whole number or `none`, not a text",
        "t.wait: must be a duration > 0",
        "t.tags: must be a table of length <= 1",
        "t.siz: is not a setting of this table; did you mean `size`?",
    }
    assert told(Plugin, {"sign_in": {"by": "plain", "user": "u"}, "level": 2}) == ["t.keys: are required at level 2"]


def test_a_rule_is_asked_beside_other_faults() -> None:
    """A rule about several settings is told together with what is wrong elsewhere in the table."""
    table = {"sign_in": {"by": "plain", "user": "u"}, "level": 2, "siz": 5}
    problems = [Problem(("t", "timeout"), "is wrong")]
    assert read_settings(Plugin, table, ("t",), problems) is None
    assert [problem.message for problem in problems[1:]] == [
        "are required at level 2",
        "is not a setting of this table; did you mean `size`?",
    ]
