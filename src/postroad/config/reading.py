"""From plain TOML values to a struct of settings: every fault is noted, none stops the others.

One reader for our own sections and for the settings of every type of source and destination.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar, get_origin

import msgspec

from postroad.config.declared import (
    Options,
    element_of,
    is_kind_of,
    is_open,
    member_of,
    settings_of,
    table_of,
    union_of,
    unwrap,
)
from postroad.config.leaves import as_list, as_table, bounded, from_text, given, mismatch, read_leaf, wanted
from postroad.config.problems import KeyPath, Problem, did_you_mean, dotted
from postroad.secret import Secrets

Settings = TypeVar("Settings", bound=msgspec.Struct)

_FAILED: Final = object()
_LISTS: Final[dict[Any, Any]] = {list: list, set: set, frozenset: frozenset}


def read_settings(
    struct: type[Settings],
    table: Mapping[str, object],
    path: KeyPath,
    problems: list[Problem],
    *,
    owner: str = "this table",
    beside: Iterable[str] = (),
) -> Settings | None:
    """Return the struct, with the default for every value that can't be used, after appending to `problems`.

    None when a required setting is missing or unusable, or a rule of the struct about several settings is broken;
    such a rule is asked only when `problems` has nothing of its settings. An open struct keeps its undeclared keys
    in `options`. `owner` says whose settings these are, `beside` which other keys the table may have.
    """
    values: dict[str, Any] = {}
    declared = settings_of(struct)
    for setting in declared:
        place = (*path, setting.key)
        value = _read(setting.kind, table[setting.key], place, problems) if setting.key in table else _FAILED
        if value is not _FAILED:
            values[setting.name] = value
        elif setting.required and setting.key not in table:
            problems.append(Problem(place, "is required"))
    known = [setting.key for setting in declared]
    rest = {key: value for key, value in table.items() if key not in known and key != _tag_field(struct)}
    if is_open(struct):
        values["options"] = Options(rest)
        rest = {}
    found = _made(struct, values, path, problems)
    for key in rest:
        near = did_you_mean(key, [*known, *beside])
        problems.append(Problem((*path, key), f"is not a setting of {owner}{near}"))
    return found


def _made(struct: type[Settings], values: Mapping[str, Any], path: KeyPath, problems: list[Problem]) -> Settings | None:
    mine = {(*path, setting.key) for setting in settings_of(struct)}
    wrong = any(problem.path[: len(path) + 1] in mine for problem in problems)
    try:
        return struct(**values)
    except (TypeError, ValueError) as error:
        if not wrong:
            problems.append(_broken_rule(str(error), struct, path))
        return None


def _broken_rule(sentence: str, struct: type[msgspec.Struct], path: KeyPath) -> Problem:
    """Place a sentence that starts with its setting: `headers."a b": can't be sent`."""
    subject, _, message = sentence.partition(": ")
    keys = sorted(["type", *(setting.key for setting in settings_of(struct))], key=len, reverse=True)
    key = next((key for key in keys if message and re.match(re.escape(key) + r"\b", subject)), None)
    if key is None:
        return Problem(path, sentence)
    return Problem((*path, key), message, f"{dotted(path)}.{subject}" if path else subject)


def _read(kind: Any, value: object, path: KeyPath, problems: list[Problem]) -> Any:
    struct = table_of(kind)
    try:
        if union_of(kind):
            return _one_of(kind, value, path, problems)
        if struct is not None:
            found = read_settings(struct, as_table(kind, value), path, problems)
            return _FAILED if found is None else found
        if member_of(kind) is not None:
            return _members(kind, as_table(kind, value), path, problems)
        if element_of(kind) is not None or is_kind_of(unwrap(kind)[0], Secrets):
            return _elements(kind, value, path, problems)
        return bounded(kind, read_leaf(kind, value))
    except ValueError as error:
        problems.append(Problem(path, str(error)))
        return _FAILED


def _one_of(kind: Any, value: object, path: KeyPath, problems: list[Problem]) -> Any:
    """Read a value as the first of several types that it is right for, those that look like it first."""
    members = union_of(kind)
    if isinstance(value, dict) and (structs := [struct for struct in map(table_of, members) if struct]):
        found = read_settings(_variant(structs, value), value, path, problems)
        return _FAILED if found is None else found
    alike = [member for member in members if given(value) in wanted(member)]
    faults: list[Problem] = []
    for member in [*alike, *members]:
        tried: list[Problem] = []
        found = _read(member, value, path, tried)
        if found is not _FAILED and not tried:
            return found
        faults = faults or tried
    if not alike:
        raise mismatch(kind, from_text(value))
    problems += faults
    return _FAILED


def _variant(structs: list[type[msgspec.Struct]], table: Mapping[str, object]) -> type[msgspec.Struct]:
    """Return the struct that a table's tag names, or raise `ValueError`."""
    field = _tag_field(structs[0])
    if field is None:
        return structs[0]
    tags = {str(struct.__struct_config__.tag): struct for struct in structs}
    tag = str(table.get(field, ""))
    if tag not in tags:
        raise ValueError(f"must have a `{field}`: {' or '.join(f'`{name}`' for name in tags)}{did_you_mean(tag, tags)}")
    return tags[tag]


def _tag_field(struct: type[msgspec.Struct]) -> str | None:
    return struct.__struct_config__.tag_field


def _members(kind: Any, table: Mapping[str, object], path: KeyPath, problems: list[Problem]) -> Any:
    read = {key: _read(member_of(kind), value, (*path, key), problems) for key, value in table.items()}
    return bounded(kind, {key: value for key, value in read.items() if value is not _FAILED})


def _elements(kind: Any, value: object, path: KeyPath, problems: list[Problem]) -> Any:
    bare, element = unwrap(kind)[0], element_of(kind)
    make: Any = _LISTS.get(get_origin(bare), tuple)
    if element is None:  # secrets: one, or a list of them
        element, make = bare.item, bare
        if not isinstance(value, list) and not (isinstance(value, str) and value.startswith("[")):
            return make([read_leaf(element, value)])
    values = as_list(kind, value)
    if not values and is_kind_of(bare, Secrets):  # an unset variable must not turn a signature off
        raise ValueError("is an empty list; leave it out to do without")
    read = [_read(element, value, (*path, index), problems) for index, value in enumerate(values)]
    return _FAILED if any(value is _FAILED for value in read) else make(bounded(kind, read))
