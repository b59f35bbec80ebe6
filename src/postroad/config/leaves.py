"""Single values: texts, numbers, choices, secrets, dates; and what is said of one that is something else.

A text where a number, a boolean, a list or a table is wanted is read as a TOML value: that is how environment
variables and `${NAME}` can stand for any setting.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final

import msgspec

from postroad.config.declared import (
    choices_of,
    element_of,
    is_kind_of,
    member_of,
    sort_of,
    table_of,
    union_of,
    unwrap,
)
from postroad.config.problems import did_you_mean
from postroad.secret import Secret, Secrets, dec_hook

_BOUND: Final = re.compile(r"Expected `[^`]*`(?! - at)(?!, got)(.*?)(?: - at .*)?")
_NAMES: Final[Mapping[Any, str]] = {
    int: "whole number",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "table",
    datetime: "date with a time",
    date: "date",
    time: "time of day",
    Decimal: "number",
}


def type_name(kind: Any) -> str:
    """Say in a word or two what values of this type are, for the reference."""
    bare, sort, element = unwrap(kind)[0], sort_of(kind), element_of(kind)
    if sort is not None:
        return sort.name
    if union_of(kind):
        return " or ".join(dict.fromkeys(type_name(member) for member in union_of(kind)))
    if element is not None:
        return f"list of {type_name(element)}" + ("" if choices_of(element) else "s")
    if choices_of(kind):
        return " or ".join(f"`{choice}`" for choice in choices_of(kind))
    if is_kind_of(bare, Secrets):
        return "text or list of texts"
    return "table" if member_of(kind) is not None or table_of(kind) is not None else _NAMES.get(bare, "text")


def wanted(kind: Any) -> str:
    """Say what a value of this type must be: `a whole number`."""
    if union_of(kind):
        return " or ".join(dict.fromkeys(wanted(member) for member in union_of(kind)))
    name = "list" if element_of(kind) is not None else type_name(kind)
    return name if choices_of(kind) else "true or false" if name == "boolean" else f"a {name}"


def given(value: object) -> str:
    """Say what sort of value this is, never the value itself."""
    return wanted(type(value))


def mismatch(kind: Any, value: object) -> ValueError:
    """Return the fault of a value that is something else than its type wants."""
    return ValueError(f"must be {wanted(kind)}, not {given(value)}")


def read_leaf(kind: Any, value: object) -> Any:
    """Return a value without parts. Raises `ValueError` with a sentence about it."""
    bare, sort, choices = unwrap(kind)[0], sort_of(kind), choices_of(kind)
    if sort is not None:
        return sort.read(from_text(value) if isinstance(value, str) and value.startswith("[") else value)
    if choices:
        return _choice(bare, choices, value)
    if bare in {Any, object}:
        return value
    if hasattr(bare, "from_config"):
        if is_kind_of(bare, Secret) and not isinstance(value, str):
            raise mismatch(kind, value)
        return bare.from_config(value)
    plain = value if bare is str else from_text(value)
    try:
        read = msgspec.convert(plain, bare, dec_hook=dec_hook)
    except msgspec.ValidationError:
        raise mismatch(kind, plain) from None
    if isinstance(read, int | float) and not (math.isfinite(read) and abs(read) < 1 << 63):
        raise ValueError("must be a number below 2^63")
    return read


def bounded(kind: Any, value: Any) -> Any:
    """Return the value, or raise `ValueError` when it breaks a bound that its type declares."""
    base: Any = list[Any] if isinstance(value, list) else dict[str, Any] if isinstance(value, dict) else type(value)
    for note in unwrap(kind)[1]:
        if isinstance(note, msgspec.Meta) and base in {str, int, float, list[Any], dict[str, Any]}:
            try:
                msgspec.convert(value, Annotated[base, note])
            except msgspec.ValidationError as error:
                # The library's sentence may repeat the value: only its known shape is passed on.
                found = _BOUND.fullmatch(str(error))
                bound = (
                    found.group(1).removesuffix(".0").replace(" matching regex ", " that matches ")
                    if found
                    else " within its bounds"
                )
                raise ValueError(f"must be {wanted(kind)}{bound}") from None
    return value


def as_list(kind: Any, value: object) -> list[Any]:
    """Return a list, also one that is written out as a text. Raises `ValueError`."""
    found = from_text(value)
    if not isinstance(found, list):
        raise mismatch(kind, found)
    return found


def as_table(kind: Any, value: object) -> dict[str, Any]:
    """Return a table, also one that is written out as a text. Raises `ValueError`."""
    found = from_text(value)
    if not isinstance(found, dict):
        raise mismatch(kind, found)
    return found


def from_text(value: object) -> object:
    """Return the TOML value that a text writes out; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        document = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return value
    return document["value"] if len(document) == 1 else value


def _choice(bare: Any, choices: tuple[Any, ...], value: object) -> Any:
    for tried in (value, from_text(value)):
        if any(type(choice) is type(tried) and choice == tried for choice in choices):
            return bare(tried) if is_kind_of(bare, Enum) else tried
    near = did_you_mean(value, map(str, choices)) if isinstance(value, str) else ""
    raise ValueError(f"must be {wanted(bare)}{near}")
