"""What a struct of settings declares: each field is a setting, but for those that are `Filled` in while loading.

Everything about a setting is said once, in its field: key, type, default, sentence. Reading, environment
names, masking and the reference all ask here, for our own sections and for the settings of every type alike.
"""

import enum
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from postroad.config.sorts import WRITE_KEY_HASHES, WRITE_KEYS, Sort
from postroad.secret import Secret, Secrets


class Filled:
    """Marks a field that no file sets."""


class Options(dict[str, object]):
    """The settings of a type of source or destination, as written; `repr` shows only their names."""

    def __repr__(self) -> str:
        return f"Options({', '.join(self)})"


class Setting(NamedTuple):
    """One declared setting. `name` is the Python attribute, `key` what TOML calls it.

    `kind` is its type with annotations; `default` is `msgspec.NODEFAULT` when it is required. `shown` says the
    default in words where it depends on something else, `example` is a value for the reference.
    """

    name: str
    key: str
    kind: Any
    default: Any
    description: str
    shown: str
    example: str

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is msgspec.NODEFAULT


def settings_of(struct: type[msgspec.Struct]) -> list[Setting]:
    """Return the settings that a struct declares, in order."""
    declared = []
    for field in msgspec.structs.fields(struct):
        notes = unwrap(field.type)[1]
        if Filled in notes:
            continue
        metas = [meta for meta in notes if isinstance(meta, msgspec.Meta)]
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        examples = [example for meta in metas for example in meta.examples or ()]
        extra = {key: value for meta in metas for key, value in (meta.extra or {}).items()}
        declared.append(
            Setting(
                name=field.name,
                key=field.encode_name,
                kind=field.type,
                default=default,
                description=next((meta.description for meta in metas if meta.description), ""),
                shown=extra.get("default", ""),
                example=examples[0] if examples else "",
            )
        )
    return declared


def is_open(struct: type[msgspec.Struct]) -> bool:
    """Tell whether a table of this struct may hold keys that it doesn't declare (kept in `options`)."""
    return any(unwrap(field.type)[0] is Options for field in msgspec.structs.fields(struct))


def unwrap(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without its annotations and without `| None`, and the annotations."""
    notes: tuple[Any, ...] = ()
    while True:
        if get_origin(kind) is Annotated:
            notes = (*kind.__metadata__, *notes)
            kind = kind.__origin__
        elif get_origin(kind) in {Union, types.UnionType}:
            members = [member for member in get_args(kind) if member is not type(None)]
            if len(members) != 1:
                return kind, notes
            kind = members[0]
        else:
            return kind, notes


def union_of(kind: Any) -> tuple[Any, ...]:
    """Return the types between which a value may choose, when there are several beside None."""
    bare = unwrap(kind)[0]
    if get_origin(bare) not in {Union, types.UnionType}:
        return ()
    return tuple(member for member in get_args(bare) if member is not type(None))


def sort_of(kind: Any) -> Sort | None:
    """Return the sort a type wears, if any."""
    return next((note for note in unwrap(kind)[1] if isinstance(note, Sort)), None)


def table_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct when values of this type are tables with declared keys."""
    bare = unwrap(kind)[0]
    return bare if is_kind_of(bare, msgspec.Struct) else None


def member_of(kind: Any) -> Any | None:
    """Return the type of the values when values of this type are tables with free keys."""
    bare = unwrap(kind)[0]
    if get_origin(bare) in {dict, Mapping} and get_args(bare)[0] is str:
        return get_args(bare)[1]
    return None


def element_of(kind: Any) -> Any | None:
    """Return the type of the elements when values of this type are lists of one type."""
    bare, arguments = unwrap(kind)[0], get_args(unwrap(kind)[0])
    if sort_of(kind) is not None or get_origin(bare) not in {list, tuple, set, frozenset, Sequence}:
        return None
    return arguments[0] if len(arguments) == 1 or arguments[1:] == (...,) else None


def choices_of(kind: Any) -> tuple[Any, ...]:
    """Return the allowed values when the type is a Literal or an Enum."""
    bare = unwrap(kind)[0]
    if is_kind_of(bare, enum.Enum):
        return tuple(member.value for member in bare)
    return get_args(bare) if get_origin(bare) is Literal else ()


def is_secret(kind: Any) -> bool:
    """Tell whether values of this type are never shown."""
    if any(is_secret(member) for member in union_of(kind)):
        return True
    sort, inside = sort_of(kind), element_of(kind) or member_of(kind)
    if is_kind_of(unwrap(kind)[0], Secret | Secrets):
        return True
    return (sort is not None and sort.secret) or (inside is not None and is_secret(inside))


def is_kind_of(bare: Any, wanted: Any) -> bool:
    """Tell whether a type without annotations is a class of this kind."""
    return isinstance(bare, type) and get_origin(bare) is None and issubclass(bare, wanted)


def is_write_key(kind: Any) -> bool:
    """Tell whether the values of this type are write keys, each of which belongs to one source."""
    return sort_of(kind) in {WRITE_KEYS, WRITE_KEY_HASHES}
