"""The members of a schema as rows to read: name, type, whether it is required, and a sentence."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from postroad.reference.markup import Html, fill, join, prose

Schema = Mapping[str, Any]
Resolve = Callable[[Schema], Schema]

_RARE: Final = ("sentAt", "originalTimestamp", "writeKey")
_FOLDED: Final = ("context", "integrations", "traits")


def field_list(schema: Schema, resolve: Resolve) -> Html:
    """Return the rows of an object's members, those of the objects inside it below theirs."""
    members = schema.get("properties", {})
    required = schema.get("required", ())
    rows = {name: _row(name, member, required=name in required, resolve=resolve) for name, member in members.items()}
    common = [row for name, row in rows.items() if name not in _RARE]
    rare = [row for name, row in rows.items() if name in _RARE]
    more = Html(f'<li class="more">{_folded(f"{len(rare)} more, which libraries send", rare)}</li>') if rare else ""
    return Html(f'{identity_note(schema)}<ul class="fields">{join(common)}{more}</ul>')


def parameter_list(parameters: Iterable[Schema]) -> Html:
    """Return the rows of an operation's headers and path parameters."""
    rows = [
        fill(
            "field.html",
            name=parameter["name"],
            type=f"{type_name(parameter['schema'])}, in the {parameter['in']}",
            need=_need(required=parameter.get("required", False)),
            sentence=prose(parameter["description"]),
            below="",
        )
        for parameter in parameters
    ]
    return Html(f'<ul class="fields">{join(rows)}</ul>')


def identity_note(schema: Schema) -> Html:
    """Return the sentence that says of which members one has to be there, empty when there is no such choice."""
    paths = [_path(choice) for choice in schema.get("anyOf", ()) if "required" in choice]
    if not paths:
        return Html("")
    named = f"{', '.join(f'`{path}`' for path in paths[:-1])} or `{paths[-1]}`"
    return Html(f'<p class="note">{prose(f"At least one of {named} is required.")}</p>')


def type_name(schema: Schema) -> str:
    """Say in a word or two what a schema takes; null goes without saying."""
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"] if value is not None)
    kinds = schema.get("type", "object")
    names = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    if schema.get("format") == "date-time":
        names = ["date-time" if name == "string" else name for name in names]
    return " or ".join("list" if name == "array" else name for name in names)


def _path(choice: Schema) -> str:
    name = choice["required"][0]
    inner = choice["properties"][name]
    return f"{name}.{_path(inner)}" if "required" in inner else name


def _row(name: str, member: Schema, *, required: bool, resolve: Resolve) -> Html:
    schema = resolve(member)
    inner = schema.get("properties", {})
    rows = [
        _row(each, value, required=each in schema.get("required", ()), resolve=resolve) for each, value in inner.items()
    ]
    if not rows:
        below = Html("")
    elif name in _FOLDED:
        below = _folded(f"Members of {name}", rows)
    else:
        below = Html(f'<ul class="fields inner">{join(rows)}</ul>')
    return fill(
        "field.html",
        name=name,
        type=type_name(schema),
        need=_need(required=required),
        sentence=prose(member.get("description", schema.get("description", ""))),
        below=below,
    )


def _need(*, required: bool) -> Html:
    return Html('<span class="need">required</span>' if required else "")


def _folded(title: str, rows: Iterable[Html]) -> Html:
    return Html(
        f'<details class="fold"><summary>{prose(title)}</summary><ul class="fields inner">{join(rows)}</ul></details>'
    )
