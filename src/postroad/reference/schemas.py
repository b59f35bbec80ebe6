"""JSON Schemas of the requests, made from the contract's types.

A schema calls required exactly what strict mode requires. Null counts as absent, so whatever is not required
may be null.
"""

import inspect
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from postroad.contract.calls import Type
from postroad.contract.email import KINDS, EmailEvent, Kind, Properties, said_of
from postroad.contract.limits import ITEMS
from postroad.reference import words
from postroad.reference.examples import CALLS, batch_example, email_example

Schema = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SHARED: Final = (
    "type",
    "timestamp",
    "messageId",
    "context",
    "integrations",
    "sentAt",
    "originalTimestamp",
    "writeKey",
)
_IDS: Final = ("userId", "anonymousId", "groupId", "previousId", "messageId")


def component(kind: Kind) -> str:
    """Return the name of a semantic event's schema, request body and example: `EmailBounced`."""
    return "".join(word.capitalize() for word in kind.event.split())


def call_component(call: Type) -> str:
    """Return the name of a call's schema: `Identify`; `Track` is any event that is not one of the six."""
    return call.name.capitalize()


def request_schemas() -> dict[str, Schema]:
    """Return every schema that requests are made of, by component name."""
    return {
        **{component(kind): _email_event(kind) for kind in Kind},
        **{_properties_component(kind.properties): _properties(kind.properties) for kind in Kind},
        **{call_component(call): _call(call) for call in Type},
        "Batch": _batch(),
        "Context": _context(),
        "Integrations": _integrations(),
    }


def _properties_component(struct: type[Properties]) -> str:
    return f"Email{struct.__name__}"


def _member(name: str, *, required: bool) -> Schema:
    """Return the schema of one member of a call."""
    if name in ("context", "integrations"):
        return {"$ref": f"#/components/schemas/{name.capitalize()}", "description": words.MEMBERS[name]}
    null = [] if required else ["null"]
    schema: Schema = {"type": ["string", *null] if null else "string"}
    if name in _IDS:
        schema["type"] = ["string", "number", *null]
    if required and (name in _IDS or name == "event"):
        schema["minLength"] = 1
    if name in ("properties", "traits"):
        schema["type"] = ["object", *null] if null else "object"
    elif name == "timestamp":
        schema = {"type": ["string", "integer", *null], "format": "date-time", **_milliseconds()}
    elif name in ("sentAt", "originalTimestamp"):
        schema["format"] = "date-time"
    return schema | {"description": words.MEMBERS[name]}


def _milliseconds() -> Schema:
    """Return the range of years 1 to 9999."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return {"minimum": (first - _EPOCH) // _MILLISECOND, "maximum": (last - _EPOCH) // _MILLISECOND}


def _members(names: Iterable[str], call: Type, required: Iterable[str]) -> dict[str, Schema]:
    members = {name: _member(name, required=name in required) for name in names}
    members["type"] = {"type": ["string", "null"], "enum": [call.wire, None], "description": words.MEMBERS["type"]}
    return members


def _email_event(kind: Kind) -> Schema:
    """Return the schema of a semantic event: what each has, then what every call may have."""
    fields = msgspec.structs.fields(EmailEvent)
    needed = {field.name for field in fields if field.required}
    names = list(dict.fromkeys([*(field.name for field in fields), "anonymousId", *_SHARED]))
    names.sort(key=lambda name: name not in needed)
    members = _members(names, Type.TRACK, needed)
    members["event"] = {"const": kind.event, "description": words.MEMBERS["event"]}
    members["properties"] = {
        "$ref": f"#/components/schemas/{_properties_component(kind.properties)}",
        "description": words.MEMBERS["properties"],
    }
    return {
        "title": kind.event,
        "description": f"{kind.means} {kind.advice}",
        "type": "object",
        "required": [name for name in names if name in needed],
        "properties": members,
        "examples": [email_example(kind)],
    }


def _properties(struct: type[Properties]) -> Schema:
    members: dict[str, Schema] = {}
    said = said_of(struct)
    for field in msgspec.structs.fields(struct):
        text: Schema = {"type": "string", "minLength": 1} if field.required else {"type": ["string", "null"]}
        members[field.name] = text | {"description": said[field.name].description}
    return {
        "title": f"{_properties_component(struct)}",
        "description": _first_paragraph(struct),
        "type": "object",
        "required": [field.name for field in msgspec.structs.fields(struct) if field.required],
        "properties": members,
        "additionalProperties": True,
    }


def _call(call: Type) -> Schema:
    required = (*call.required, *(("event",) if call is Type.TRACK else ()))
    named = [name for name in call.identity if "." not in name]  # those inside another member are said there
    schema: Schema = {
        "title": "Any other event" if call is Type.TRACK else call.wire.capitalize(),
        "description": words.CALLS[call][1],
        "type": "object",
        "properties": _members([*named, *call.members, *_SHARED], call, required),
        "examples": [CALLS[call]],
    }
    if required:
        schema["required"] = list(required)
    if not set(required) & set(call.identity):
        schema["anyOf"] = [_named_by(name) for name in call.identity]
    if call is Type.TRACK:
        schema["properties"]["event"] |= {"pattern": r"\S", "not": {"enum": list(KINDS)}}
    return schema


def _named_by(path: str) -> Schema:
    """Return the schema of an object that says by this member whom a call is about."""
    name, _, rest = path.partition(".")
    if rest:
        return {"required": [name], "properties": {name: {"type": "object", **_named_by(rest)}}}
    kinds = ["string", "number"] if name in _IDS else "string"
    return {"required": [name], "properties": {name: {"type": kinds, "minLength": 1}}}


def _batch() -> Schema:
    items = [
        {
            "title": call.wire.capitalize(),
            "allOf": [
                track_schema() if call is Type.TRACK else {"$ref": f"#/components/schemas/{call_component(call)}"},
                {"required": ["type"], "properties": {"type": {"const": call.wire}}},
            ],
        }
        for call in Type
    ]
    calls = {
        "type": "array",
        "minItems": 1,
        "maxItems": ITEMS,
        "items": {"oneOf": items},
        "description": words.MEMBERS["batch"],
    }
    shared = {name: _member(name, required=False) for name in ("context", "integrations", "sentAt", "writeKey")}
    shared["context"]["description"] = "Added to the context of every call; what a call says itself goes first."
    shared["integrations"]["description"] = "Added to those of every call; what a call says itself goes first."
    return {
        "title": "Batch",
        "description": "Several calls in one request.",
        "type": "object",
        "required": ["batch"],
        "properties": {"batch": calls, **shared},
        "examples": [batch_example()],
    }


def track_schema() -> Schema:
    """Return the schema of a track call: one of the six semantic events, or any other event."""
    names = [*(component(kind) for kind in Kind), call_component(Type.TRACK)]
    return {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}


def _context() -> Schema:
    def text(name: str) -> Schema:
        return {"type": ["string", "null"], "description": words.CONTEXT[name]}

    traits = {
        "type": ["object", "null"],
        "description": words.CONTEXT["traits"],
        "properties": {name: text(name) for name in ("email", "ip", "user_agent")},
        "additionalProperties": True,
    }
    return {
        "title": "Context",
        "description": words.MEMBERS["context"],
        "type": ["object", "null"],
        "properties": {"traits": traits, **{name: text(name) for name in ("ip", "userAgent", "locale")}},
        "additionalProperties": True,
    }


def _integrations() -> Schema:
    every = {"type": ["boolean", "null"], "description": "Every destination that is not named here; true if left out."}
    return {
        "title": "Integrations",
        "description": words.MEMBERS["integrations"],
        "type": ["object", "null"],
        "properties": {"All": every, "all": {**every, "description": "The same, as one client library spells it."}},
        "additionalProperties": {
            "type": ["boolean", "object", "null"],
            "description": "A destination by its name: true or an object of options means yes, false means no.",
        },
    }


def _first_paragraph(struct: type) -> str:
    return (inspect.getdoc(struct) or "").partition("\n\n")[0].replace("\n", " ")
