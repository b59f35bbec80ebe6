"""What the page has a section of: each event and each call of an OpenAPI document."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from postroad.contract.calls import Type
from postroad.contract.email import Kind
from postroad.reference.schemas import call_component, component
from postroad.reference.snippets import Exchange

Schema = Mapping[str, Any]
Resolve = Callable[[Schema], Schema]


class Section(NamedTuple):
    """A request: what it is for, what it is made of, what is answered, and a good one as example.

    Parameters, body and responses are as the document has them, references not followed.
    """

    anchor: str
    title: str
    description: str
    parameters: Sequence[Schema]
    body: Schema | None
    responses: Mapping[str, Schema]
    exchange: Exchange


def resolver(document: Schema) -> Resolve:
    """Return what follows a reference to what it points at, with what stands beside the reference."""

    def resolve(node: Schema) -> Schema:
        if "$ref" not in node:
            return node
        target: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return {**target, **node}

    return resolve


def call_sections(document: Schema) -> list[Section]:
    """Return a section for each operation, in the document's order: track comes first."""
    return [
        _call(document, method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def event_sections(document: Schema, track: Section) -> list[Section]:
    """Return a section for each of the email events, and at the end one for any other event."""
    names = {kind.event.lower().replace(" ", "-"): component(kind) for kind in Kind}
    return [_event(document, track, *name) for name in [*names.items(), ("any-event", call_component(Type.TRACK))]]


def _call(document: Schema, method: str, path: str, operation: Schema) -> Section:
    resolve, body, example = resolver(document), None, None
    if "requestBody" in operation:
        content = resolve(operation["requestBody"])["content"]["application/json"]
        body, example = content["schema"], _example(document, next(iter(content["examples"])))
    return Section(
        operation["operationId"],
        operation["summary"],
        operation["description"],
        [resolve(parameter) for parameter in operation["parameters"]],
        body,
        operation["responses"],
        Exchange(method, path, example),
    )


def _event(document: Schema, track: Section, anchor: str, name: str) -> Section:
    schema = document["components"]["schemas"][name]
    return track._replace(
        anchor=anchor,
        title=schema["title"],
        description=schema["description"],
        parameters=(),
        body={"$ref": f"#/components/schemas/{name}"},
        exchange=track.exchange._replace(body=_example(document, name)),
    )


def _example(document: Schema, name: str) -> dict[str, Any]:
    example: dict[str, Any] = document["components"]["examples"][name]["value"]
    return example
