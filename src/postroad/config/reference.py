"""The reference of all settings and a commented default file, from the declarations alone."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from postroad.config.declared import Setting, element_of, member_of, settings_of, sort_of, table_of
from postroad.config.environment import PREFIX, variable_of
from postroad.config.leaves import type_name
from postroad.config.model import Destination, Region, Server
from postroad.config.problems import KeyPath, dotted
from postroad.config.source import Source

_INTRODUCTION: Final = """\
# Configuration

Postroad reads one TOML file: `postroad serve --config postroad.toml`, or the file that `POSTROAD_CONFIG` names,
or `./postroad.toml` when it is there.
Without one it starts with region `us`, one source `app` whose key it makes (`data_dir/write-key`), and a `file`
destination `events`. `postroad check` names every problem with line, path and near miss; certificates and
transforms are looked at once the rest is right. A change takes effect at the next start. `postroad init` writes a first
file; `postroad schema` prints a JSON schema for editors, which is [here](postroad.schema.json) too, and at
`/postroad.schema.json` of a running server.

- **Durations** are texts: `"500ms"`, `"5s"`, `"2m"`, `"1h"`, `"7d"`; a plain number is seconds.
- **Sizes** are texts: `"32KiB"`, `"64MiB"`, `"1GB"`; a plain number is bytes.
- **Secrets** stay out of the file: `${NAME}` in any value stands for an environment variable, `${file:PATH}` for the
  content of a file without its last line break, `$${` for a plain `${`.
- **Every setting has an environment variable**, which wins over the file: `POSTROAD__`, then the parts of its path
  joined by two underscores, in capitals, everything that is not a letter or a digit turned into an underscore. The
  `url` of `[destinations."My CRM"]` is `POSTROAD__DESTINATIONS__MY_CRM__URL`. A text is written without quotes; where
  a number, a boolean, a list or a table is wanted the value is read as TOML
  (`POSTROAD__REGIONS__US__HOSTS='["cdp.example.com"]'`). It is the same for the settings of a type. A variable changes
  tables that exist; it cannot make a region, a source or a destination.
- **Relative paths** start at the current directory.
- **Ids** (the keys of `[sources.…]` and `[destinations.…]`) are letters, digits, spaces and `. _ -`, at most 64;
  **region names** are small letters, digits and hyphens.

Generated from the declarations in `src/postroad/config/model.py`, and in the file of each type.
"""

_SECTIONS: Final[tuple[tuple[str, type[msgspec.Struct], KeyPath, KeyPath], ...]] = (
    ("[server]", Server, ("server",), ("server",)),
    ("[regions.<name>]", Region, ("regions", "name"), ("regions", "us")),
    ("[sources.<id>]", Source, ("sources", "id"), ("sources", "app")),
    ("[destinations.<id>]", Destination, ("destinations", "id"), ("destinations", "events")),
)


Catalogue = Mapping[str, Mapping[str, type[msgspec.Struct]]]
"""The settings of each type by its name, of `sources` and of `destinations`."""


def reference(types: Catalogue) -> str:
    """Return `docs/reference/configuration.md`, with a section for each of these types."""
    parts = [_INTRODUCTION]
    for title, struct, path, _ in _SECTIONS:
        parts.append(f"\n## `{title}`\n\n{struct.__doc__}\n\n{_rows(struct, path)}")
        for name, settings in types.get(str(path[0]), {}).items():
            rows = _rows(settings, path) if settings_of(settings) else "No settings of its own.\n"
            parts.append(f"\n### Type `{name}`\n\n{rows}")
    return "".join(parts)


def default_file(types: Catalogue) -> str:
    """Return a TOML file with every setting, commented out, at its default or with an example.

    Of the types it has the one that is the default.
    """
    parts = ["# Every setting of Postroad with its default. Uncomment what you change.\n"]
    for _title, struct, _path, path in _SECTIONS:
        # A source and a destination can't stand with nothing but defaults.
        mark = "# " if path[0] in {"sources", "destinations"} else ""
        parts.append(f"\n\n# {struct.__doc__}\n{mark}[{dotted(path)}]\n")
        parts.extend(_lines(struct))
        for setting in settings_of(struct):
            own = types.get(str(path[0]), {}).get(setting.default) if setting.key == "type" else None
            parts.extend(_lines(own) if own else ())
    return "".join(parts)


def toml_value(kind: Any, value: Any) -> str:
    """Write a value of a setting as TOML."""
    sort, element = sort_of(kind), element_of(kind)
    if sort is not None:
        return _text(sort.write(value))
    if element is not None:
        return f"[{', '.join(toml_value(element, entry) for entry in value)}]"
    if isinstance(value, bool | int | float):
        return f"{value:g}" if isinstance(value, float) else str(value).lower()
    return _text(str(value))


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _rows(struct: type[msgspec.Struct], path: KeyPath) -> str:
    rows = ["| key | type | default | what | variable |", "|---|---|---|---|---|"]
    table = "__".join([variable_of(path[:1]), *(f"<{part}>".upper() for part in path[1:])])
    for key, setting in flat(struct):
        name = f"{table}__{variable_of(key).removeprefix(PREFIX)}"
        rows.append(
            f"| `{dotted(key)}` | {type_name(setting.kind)} | {_default(setting)} | {setting.description} | `{name}` |"
        )
    return "\n".join(rows) + "\n"


def flat(struct: type[msgspec.Struct]) -> Iterator[tuple[KeyPath, Setting]]:
    """Yield every setting of a table; those of a table inside it with their dotted key."""
    for setting in settings_of(struct):
        inner = table_of(setting.kind)
        if inner is None:
            yield (setting.key,), setting
        else:
            for key, nested in flat(inner):
                yield (setting.key, *key), nested


def _default(setting: Setting) -> str:
    if setting.shown or setting.required:
        return setting.shown or "required"
    return f"`{toml_value(setting.kind, setting.default)}`" if _says_something(setting.default) else "none"


def _says_something(default: object) -> bool:
    return default is not None and default is not msgspec.NODEFAULT and default not in ("", (), [], {}, frozenset())


def _lines(struct: type[msgspec.Struct]) -> Iterator[str]:
    for key, setting in flat(struct):
        yield commented(key, setting)


def commented(key: KeyPath, setting: Setting) -> str:
    """Return the lines of a setting that a file leaves out: its sentence, and its default or an example."""
    if _says_something(setting.default):
        return f"\n# {setting.description}\n# {dotted(key)} = {toml_value(setting.kind, setting.default)}\n"
    return f"\n# {setting.description} Default: {_default(setting)}.\n# {dotted(key)} = {_example(setting)}\n"


def _example(setting: Setting) -> str:
    if element_of(setting.kind) is not None:
        return f"[{_text(setting.example)}]"
    if member_of(setting.kind) is not None:
        return "{}"
    return _text(setting.example)
