"""From plain TOML values to a struct of settings: every fault is noted, none stops the others.

A text where a number, a boolean, a list or a table is wanted is read as a TOML value: that is how environment
variables and `${NAME}` can stand for any setting.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar, get_origin

import msgspec

from postroad.config.declared import (
    Options,
    choices_of,
    element_of,
    is_open,
    member_of,
    settings_of,
    sort_of,
    table_of,
    unwrap,
)
from postroad.config.problems import KeyPath, Problem, did_you_mean
from postroad.config.sorts import Sort

Settings = TypeVar("Settings", bound=msgspec.Struct)

_FAILED: Final = object()
_EXPECTED: Final = re.compile(r"Expected `(\w+)[^`]*`(?:, got `(\w+)`)?(.*?)(?: - at .*)?")
_NAMES: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "datetime": "a date",
    "date": "a date",
    "time": "a time of day",
}


def read_settings(
    struct: type[Settings],
    table: Mapping[str, object],
    path: KeyPath,
    problems: list[Problem],
) -> Settings | None:
    """Return the struct, with the default for every value that can't be used, after appending to `problems`.

    None when a required setting is missing or unusable. An open struct keeps its undeclared keys in `options`.
    """
    values: dict[str, Any] = {}
    declared = settings_of(struct)
    rest = {key: value for key, value in table.items() if key not in {setting.key for setting in declared}}
    for setting in declared:
        place = (*path, setting.key)
        value = _read(setting.kind, table[setting.key], place, problems) if setting.key in table else _FAILED
        if value is not _FAILED:
            values[setting.name] = value
        elif setting.required and setting.key not in table:
            problems.append(Problem(place, "is required"))
    if is_open(struct):
        values["options"] = Options(rest)
    else:
        known = [setting.key for setting in declared]
        problems.extend(
            Problem((*path, key), f"is not a setting of this table{did_you_mean(key, known)}") for key in rest
        )
    if any(setting.required and setting.name not in values for setting in declared):
        return None
    return struct(**values)


def _read(kind: Any, value: object, path: KeyPath, problems: list[Problem]) -> Any:
    struct, member, element = table_of(kind), member_of(kind), element_of(kind)
    try:
        if struct is not None:
            found = read_settings(struct, _table(value), path, problems)
            return _FAILED if found is None else found
        if member is not None:
            return _members(member, _table(value), path, problems)
        if element is not None:
            return _elements(kind, element, _list(value), path, problems)
        return _bounded(kind, _leaf(kind, value))
    except ValueError as error:
        problems.append(Problem(path, str(error)))
        return _FAILED


def _members(kind: Any, table: Mapping[str, object], path: KeyPath, problems: list[Problem]) -> dict[str, Any]:
    read = {key: _read(kind, value, (*path, key), problems) for key, value in table.items()}
    return {key: value for key, value in read.items() if value is not _FAILED}


def _elements(kind: Any, element: Any, values: list[Any], path: KeyPath, problems: list[Problem]) -> Any:
    read = [_read(element, value, (*path, index), problems) for index, value in enumerate(values)]
    if any(value is _FAILED for value in read):
        return _FAILED
    bare: Any = get_origin(unwrap(kind)[0])
    return bare(_bounded(kind, read))


def _leaf(kind: Any, value: object) -> Any:
    bare, sort, choices = unwrap(kind)[0], sort_of(kind), choices_of(kind)
    if sort is not None:
        return sort.read(from_text(value) if isinstance(value, str) and value.startswith("[") else value)
    if choices:
        if value not in choices:
            near = did_you_mean(value, choices) if isinstance(value, str) else ""
            raise ValueError(f"must be {' or '.join(f'`{choice}`' for choice in choices)}{near}")
        return value
    plain = _convert(value if bare is str else from_text(value), bare)
    if isinstance(plain, int | float) and not (math.isfinite(plain) and abs(plain) < 1 << 63):
        raise ValueError("must be a number below 2^63")
    return plain


def _bounded(kind: Any, value: Any) -> Any:
    """Return the value, or raise `ValueError` when it breaks a bound that its type declares."""
    sort = sort_of(kind)
    base = list[Any] if isinstance(value, list) else type(value)
    for note in unwrap(kind)[1]:
        if isinstance(note, msgspec.Meta) and base in {str, int, float, list[Any]}:
            _convert(value, Annotated[base, note], sort)
    return value


def _convert(value: object, kind: Any, sort: Sort | None = None) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # The library's sentence may repeat the value: only its known shape is passed on.
        found = _EXPECTED.fullmatch(str(error))
        if found is None:
            raise ValueError("is not of the right sort") from None
        expected, got, bound = found.groups()
        wanted = f"a {sort.name}" if sort else _NAMES.get(expected, "something else")
        given = f", not {_NAMES.get(got, 'this')}" if got else ""
        raise ValueError(f"must be {wanted}{given}{bound.removesuffix('.0')}") from None


def _table(value: object) -> dict[str, object]:
    table: dict[str, object] = _convert(from_text(value), dict[str, Any])
    return table


def _list(value: object) -> list[Any]:
    values: list[Any] = _convert(from_text(value), list[Any])
    return values


def from_text(value: object) -> object:
    """Return the TOML value that a text writes out; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        document = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return value
    return document["value"] if len(document) == 1 else value
