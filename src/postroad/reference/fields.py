"""What a schema says, in a word or two: its type, whom it names, the models that it is made of."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


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
    of_what = "list of" if models(schema) else "list"
    return " or ".join(of_what if name == "array" else name for name in names)


def identities(schema: Schema) -> list[str]:
    """Return the paths of the members of which one has to be there; empty when there is no such choice."""
    return [_path(choice) for choice in schema.get("anyOf", ()) if "required" in choice]


def models(schema: Schema) -> list[str]:
    """Return the names of the models that a schema refers to: itself, as a choice, or as a list's items."""
    if "$ref" in schema:
        return [schema["$ref"].rpartition("/")[2]]
    parts = [*schema.get("oneOf", ()), *schema.get("allOf", ()), schema.get("items", {})]
    return [name for part in parts if part for name in models(part)]


def _path(choice: Schema) -> str:
    name = choice["required"][0]
    inner = choice["properties"][name]
    return f"{name}.{_path(inner)}" if "required" in inner else name
