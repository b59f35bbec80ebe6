"""What the API answers: the responses, their headers and their models."""

from collections.abc import Mapping
from typing import Any, Final

from postroad.contract.limits import PROBLEMS
from postroad.contract.refusals import Error
from postroad.contract.violations import Code, Problem

Schema = dict[str, Any]

RETRY_AFTER: Final = 5
"""The fewest seconds that a 429 or 503 asks a client to wait."""

_REQUEST_ID: Final = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
_MISSING: Final = Problem("properties.email_id", Code.REQUIRED, "is required")
_MISTYPED: Final = Problem("properties.campaign_id", Code.WRONG_TYPE, "must be a string, not 204")
_STRANGER: Final = Problem("", Code.KEY_UNKNOWN, "the write key belongs to no source here; check it for typos")


def responses() -> dict[str, Schema]:
    """Return the shared responses by component name."""
    return {
        "Taken": _answer(
            "The call is on disk. In permissive mode also: it could not be used, and is kept as a rejection.",
            {"$ref": "#/components/schemas/Taken"},
            {},
            "X-Postroad-Violations",
        ),
        "Invalid": _answer(
            "Strict mode only: the call breaks the contract. Nothing of it is stored, and all that is wrong is listed.",
            {"$ref": "#/components/schemas/Error"},
            error_example("invalid", "the event breaks the contract", _MISSING, _MISTYPED),
        ),
        "Unauthorized": _answer(
            "Strict mode only: the write key is missing, unknown, or of another region.",
            {"$ref": "#/components/schemas/Error"},
            error_example("unauthorized", _STRANGER.message, _STRANGER),
            "WWW-Authenticate",
        ),
        "OverRate": _answer(
            "Both modes: the source has sent more than its rate allows, and nothing of this was stored. Send the same "
            "request again later.",
            {"$ref": "#/components/schemas/Error"},
            error_example("over_rate", "the source has sent more than its rate allows, and nothing of this was stored"),
            "Retry-After",
        ),
        "Unavailable": _answer(
            "Both modes: nothing could be stored just now, and nothing was. Send the same request again later.",
            {"$ref": "#/components/schemas/Error"},
            error_example("unavailable", "nothing was stored, because the store can't write now; send it again later"),
            "Retry-After",
        ),
    }


def by_status() -> dict[str, Schema]:
    """Return the answers to a call."""
    shared = {"200": "Taken", "400": "Invalid", "401": "Unauthorized", "429": "OverRate", "503": "Unavailable"}
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in shared.items()}


def settings_by_status() -> dict[str, Schema]:
    """Return the answers to a library that asks for its settings."""
    place = {"apiKey": "YOUR_WRITE_KEY", "apiHost": "cdp.example.com/v1", "protocol": "https"}
    return {
        "200": _answer(
            "The settings: send to the host that was asked.",
            {"$ref": "#/components/schemas/Settings"},
            {"integrations": {"Customer.io Data Pipelines": place}},
        ),
        "401": _answer(
            "The write key belongs to no source, or is a secret one (`sk_…`), which has no place in a page.",
            {"$ref": "#/components/schemas/Error"},
            error_example("unauthorized", _STRANGER.message),
        ),
    }


def headers() -> dict[str, Schema]:
    """Return the headers of answers by name."""
    return {
        "X-Request-Id": {
            "description": "The id of this request in the server's own log.",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "example": "req-5f2c9a7be01d-1c",
        },
        "X-Postroad-Violations": {
            "description": "How many things were wrong with a call that was stored all the same.",
            "schema": {"type": "integer", "minimum": 1},
            "example": 2,
        },
        "WWW-Authenticate": {
            "description": "The scheme to send the write key with.",
            "required": True,
            "schema": {"type": "string", "pattern": "^Basic "},
            "example": 'Basic realm="postroad", charset="UTF-8"',
        },
        "Retry-After": {
            "description": "Seconds to wait before the next try, spread so that not all clients come back at once.",
            "required": True,
            "schema": {"type": "integer", "minimum": RETRY_AFTER},
            "example": 9,
        },
    }


def models() -> dict[str, Schema]:
    """Return the schemas of answers by component name."""
    text: Schema = {"type": "string", "minLength": 1}
    detail: dict[str, Schema] = {
        "path": {"type": "string", "description": "Where, such as `properties.email_id`; empty for the whole body."},
        "code": {"enum": [str(code) for code in Code], "description": "What kind of fault it is. The list is closed."},
        "message": {**text, "description": "A sentence for a person."},
    }
    meta: dict[str, Schema] = {
        "errors": {
            "type": "array",
            "minItems": 1,
            "maxItems": PROBLEMS,
            "items": text,
            "description": f"The first {PROBLEMS} faults, each as a sentence that starts with the path.",
        },
        "details": {
            "type": "array",
            "maxItems": PROBLEMS,
            "items": {"$ref": "#/components/schemas/ErrorDetail"},
            "description": "The same for programs; empty when the fault is not in the request.",
        },
    }
    error: dict[str, Schema] = {
        "code": {
            "enum": [error.code for error in Error],
            "description": "What kind of answer it is. The list is closed.",
        },
        "message": {
            **text,
            "description": "A sentence for a person. Of a refused batch it names every bad item, as ranges: `1, 3-4`.",
        },
        "meta": _object(meta),
    }
    return {
        "Taken": {"title": "Taken", "description": "An empty object.", "type": "object", "maxProperties": 0},
        "Error": {"title": "Error", "description": "The body of every error.", **_object(error)},
        "ErrorDetail": {"title": "ErrorDetail", "description": "One fault.", **_object(detail)},
        "Settings": _settings(),
    }


def error_example(code: str, message: str, *problems: Problem) -> Schema:
    """Return an error body as the server writes it."""
    return {
        "code": code,
        "message": message,
        "meta": {
            "errors": [problem.sentence for problem in problems] or [message],
            "details": [{"path": each.path, "code": str(each.code), "message": each.message} for each in problems],
        },
    }


def _settings() -> Schema:
    place: dict[str, Schema] = {
        "apiKey": {"type": "string", "description": "The write key that was asked about."},
        "apiHost": {"type": "string", "description": "Host and path that calls go to."},
        "protocol": {"enum": ["http", "https"], "description": "How to reach the host."},
    }
    integrations: Schema = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": _object(place),
        "description": "For each library that asks, where to send calls and with which key.",
    }
    return {
        "title": "Settings",
        "description": "What the browser and mobile libraries ask for before they start.",
        **_object({"integrations": integrations}),
    }


def _object(members: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "required": list(members), "properties": dict(members), "additionalProperties": False}


def _answer(description: str, schema: Schema, example: Schema, *names: str) -> Schema:
    """Return a JSON response with the headers named, beside the request id that every answer has."""
    return {
        "description": description,
        "headers": _REQUEST_ID | {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {"application/json": {"schema": schema, "example": example}},
    }
