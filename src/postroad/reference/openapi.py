"""The OpenAPI 3.1 document, put together from schemas, examples and responses."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from postroad.contract.calls import Type
from postroad.contract.email import Kind
from postroad.contract.limits import BATCH_BYTES, EVENT_BYTES, ITEMS
from postroad.reference import words
from postroad.reference.examples import CALLS, batch_example, email_example
from postroad.reference.responses import by_status, headers, models, responses, settings_by_status
from postroad.reference.schemas import call_component, component, request_schemas, track_schema
from postroad.reference.servers import ApiServer

API_VERSION: Final = "1.0.0"
"""The version of the API, which is that of its paths: not Postroad's own."""

_KIB: Final = 1024
_SUMMARY: Final = "Report what became of an email, who people are and what they do: one call for each event."
_DESCRIPTION: Final = (
    "Six track events with fixed names tell what happened to an email: it was delivered, opened, clicked, bounced, "
    "marked as spam, or led to an unsubscribe. Their properties are the same whichever tool sent the email, so every "
    "destination understands them.\n\n"
    "An answer of 200 means that the event is on disk. Each path also has a one-letter form, which the browser and "
    "mobile libraries use: `/v1/t` is `/v1/track`, `/v1/b` is `/v1/batch`, and so on. `/v1/import` is "
    "`/v1/batch` too, for Segment's Java library."
)
_STRICT: Final = (
    "`1` turns on strict mode: a call that breaks the contract is answered 400, one without a valid write key 401, and "
    "nothing of it is stored. With any other value, or without the header, both are answered 200: what can be used is "
    "stored with its faults noted, the rest is kept as a rejection."
)


def openapi(servers: Sequence[ApiServer]) -> dict[str, Any]:
    """Return the OpenAPI document of an API that is reached at `servers`: at least one, the first is the default."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Postroad Pipelines API", "version": API_VERSION, "summary": _SUMMARY}
        | {"description": _DESCRIPTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": each.base, "description": each.description, "x-place": each.place} for each in servers],
        "security": [{"writeKey": []}, {"bearerKey": []}],
        "tags": [
            {"name": "Track", "description": "The six semantic email events, and any other event."},
            {"name": "Other calls", "description": "Who people are, what they look at, where they belong."},
            {"name": "Libraries", "description": "What client libraries ask for by themselves."},
        ],
        "paths": _paths(),
        "components": {
            "securitySchemes": _security(),
            "parameters": {"StrictMode": _strict_mode()},
            "headers": headers(),
            "schemas": {**request_schemas(), **models()},
            "requestBodies": _request_bodies(),
            "responses": responses(),
            "examples": _examples(),
        },
    }


def openapi_json(servers: Sequence[ApiServer]) -> bytes:
    """Return the document as JSON, the same bytes for the same servers."""
    return msgspec.json.format(msgspec.json.encode(openapi(servers)), indent=2) + b"\n"


def _paths() -> dict[str, Any]:
    paths = {f"/v1/{call.wire}": {"post": _call(call)} for call in Type}
    batch = {
        "operationId": "batch",
        "tags": ["Other calls"],
        "summary": "Send several calls at once",
        "description": f"Up to {ITEMS:,} calls, {EVENT_BYTES // _KIB} KiB each and {BATCH_BYTES // _KIB} KiB together, "
        "counted before compression. In strict mode one bad call refuses the whole batch, and the answer names every "
        "bad one by its place; otherwise each is taken on its own merits.",
        "parameters": [{"$ref": "#/components/parameters/StrictMode"}],
        "requestBody": {"$ref": "#/components/requestBodies/Batch"},
        "responses": by_status(),
    }
    return {**paths, "/v1/batch": {"post": batch}, "/v1/projects/{key}/settings": {"get": _settings()}}


def _call(call: Type) -> dict[str, Any]:
    title, sentence = words.CALLS[call]
    more = f" Up to {EVENT_BYTES // _KIB} KiB of JSON, counted before compression (gzip or deflate)."
    if call is Type.TRACK:
        more = " An event with one of the six email names has to have that event's properties; any other name is yours."
    return {
        "operationId": call.wire,
        "tags": ["Track" if call is Type.TRACK else "Other calls"],
        "summary": title,
        "description": sentence + more,
        "parameters": [{"$ref": "#/components/parameters/StrictMode"}],
        "requestBody": {"$ref": f"#/components/requestBodies/{call_component(call)}"},
        "responses": by_status(),
    }


def _settings() -> dict[str, Any]:
    key = {
        "name": "key",
        "in": "path",
        "required": True,
        "description": "The write key.",
        "schema": {"type": "string", "minLength": 1},
        "example": "YOUR_WRITE_KEY",
    }
    return {
        "operationId": "settings",
        "tags": ["Libraries"],
        "summary": "Read a library's settings",
        "description": "The browser and mobile libraries ask for this before they start, and send to the host that "
        "it names.",
        "security": [],
        "parameters": [key],
        "responses": settings_by_status(),
    }


def _strict_mode() -> dict[str, Any]:
    return {
        "name": "X-Strict-Mode",
        "in": "header",
        "description": _STRICT,
        "schema": {"type": "string", "enum": ["1"]},
    }


def _security() -> dict[str, Any]:
    return {
        "writeKey": {
            "type": "http",
            "scheme": "basic",
            "description": "The write key is the user name; the password stays empty.",
        },
        "bearerKey": {"type": "http", "scheme": "bearer", "description": "The write key as a bearer token."},
    }


def _request_bodies() -> dict[str, Any]:
    """Return a body for each semantic event by itself, for each call, and for a batch."""
    events = {
        component(kind): _body(
            f"The body of an {kind.event} event.", {"$ref": f"#/components/schemas/{component(kind)}"}, component(kind)
        )
        for kind in Kind
    }
    calls = {
        call_component(call): _body(
            f"The body of an {call.wire} call." if call.wire[0] in "aeiou" else f"The body of a {call.wire} call.",
            {"$ref": f"#/components/schemas/{call_component(call)}"},
            call_component(call),
        )
        for call in Type
    }
    track = _body(
        "One of the six email events, or any other event.",
        track_schema(),
        *(component(kind) for kind in Kind),
        call_component(Type.TRACK),
    )
    batch = _body("The calls, and what they share.", {"$ref": "#/components/schemas/Batch"}, "Batch")
    return {**events, **calls, call_component(Type.TRACK): track, "Batch": batch}


def _body(description: str, schema: dict[str, Any], *examples: str) -> dict[str, Any]:
    named = {name: {"$ref": f"#/components/examples/{name}"} for name in examples}
    content = {"application/json": {"schema": schema, "examples": named}}
    return {"description": description, "required": True, "content": content}


def _examples() -> dict[str, Any]:
    events = {component(kind): {"summary": kind.event, "value": email_example(kind)} for kind in Kind}
    calls = {
        call_component(call): {
            "summary": "Any other event" if call is Type.TRACK else words.CALLS[call][0],
            "value": CALLS[call],
        }
        for call in Type
    }
    return {**events, **calls, "Batch": {"summary": "Three calls at once", "value": batch_example()}}
