"""Recognising a semantic email event, and checking it: every problem at once."""

import msgspec
from msgspec import Raw

from postroad.contract.email import ALIASES, KINDS, Kind
from postroad.contract.members import ABSENT, Members, excerpt
from postroad.contract.violations import Code, Problem


class _Traits(msgspec.Struct, frozen=True):
    email: Raw = ABSENT


class _Context(msgspec.Struct, frozen=True):
    traits: _Traits = _Traits()


class _Body(msgspec.Struct):
    context: _Context = _Context()


_TYPED = {kind: msgspec.json.Decoder(kind.properties) for kind in Kind}
_EMPTY = Raw(b"{}")
_NOTHING = (b"", b"null", b'""')


def recognise(members: Members, body: bytes) -> tuple[Kind | None, bool]:
    """Return which semantic email event a track call is, and whether by another tool's name for it.

    Such an alias counts only when the event is about an email: `properties.email_id`, `properties.list_id`
    or `context.traits.email` is there.
    """
    name = members.event or ""
    kind = KINDS.get(name)
    if kind is not None:
        return kind, False
    kind = ALIASES.get(name)
    if kind is not None and _is_about_email(members, body):
        return kind, True
    return None, False


def check_email_event(kind: Kind, members: Members) -> list[Problem]:
    """Return what an event of this kind lacks of the contract: `userId`, and what its row says of `properties`."""
    problems = []
    if not members.userId:
        problems.append(Problem("userId", Code.REQUIRED, "is required"))
    if members.properties is ABSENT:
        problems.append(Problem("properties", Code.REQUIRED, "is required"))
        return problems + _check_properties(kind, _EMPTY)
    try:
        _TYPED[kind].decode(members.properties)
    except msgspec.ValidationError:
        return problems + _check_properties(kind, members.properties)
    return problems


def _check_properties(kind: Kind, properties: Raw) -> list[Problem]:
    found = msgspec.json.decode(properties, type=dict[str, Raw])
    problems = []
    for field in msgspec.structs.fields(kind.properties):
        value = found.get(field.name, ABSENT)
        raw = bytes(value)
        if raw in _NOTHING:
            if field.required:
                problems.append(Problem(f"properties.{field.name}", Code.REQUIRED, "is required"))
        elif not raw.startswith(b'"'):
            message = f"must be a string, not {excerpt(value)}"
            problems.append(Problem(f"properties.{field.name}", Code.WRONG_TYPE, message))
    return problems


def _is_about_email(members: Members, body: bytes) -> bool:
    if members.properties is not ABSENT:
        properties = msgspec.json.decode(members.properties, type=dict[str, Raw])
        if any(bytes(properties.get(name, ABSENT)) not in _NOTHING for name in ("email_id", "list_id")):
            return True
    try:
        address = msgspec.json.decode(body, type=_Body).context.traits.email
    except msgspec.ValidationError:
        return False
    return bytes(address) not in _NOTHING
