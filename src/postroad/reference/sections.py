"""The sections of the page: guides, the six email events, every other call."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from postroad.contract.calls import Type
from postroad.contract.email import Kind
from postroad.contract.limits import BATCH_BYTES, DEPTH, EVENT_BYTES, ITEMS
from postroad.contract.refusals import Error
from postroad.contract.violations import Code
from postroad.reference.cards import answer_list, code_card, request_card
from postroad.reference.fields import field_list, parameter_list
from postroad.reference.highlight import Chosen
from postroad.reference.markup import Html, fill, join, prose
from postroad.reference.schemas import call_component, component
from postroad.reference.snippets import Exchange

Schema = Mapping[str, Any]

YOUR_KEY: Final = "YOUR_WRITE_KEY"

_KIB: Final = 1024
_JSON: Final = "application/json"
_TRACK: Final = Type.TRACK.wire
_GUIDES: Final = (
    ("introduction", "Introduction"),
    ("servers", "Servers"),
    ("authentication", "Authentication"),
    ("strict-mode", "Strict mode"),
    ("errors", "Errors"),
    ("limits", "Limits and retries"),
)


class Sections:
    """Renders an OpenAPI document part by part."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        self._chosen = Chosen(document["servers"][0]["url"], YOUR_KEY)
        self._operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def navigation(self) -> Html:
        """Return the links to all sections."""
        events = [(_anchor(kind), kind.event) for kind in Kind]
        others = [(name, path.removeprefix("/v1")) for name, (_, path, _) in self._operations.items() if name != _TRACK]
        return join(
            [
                _links("Start here", _GUIDES),
                _links("Email events", [(_TRACK, "Sending an event"), *events, ("any-event", "Any other event")]),
                _links("Other calls", others),
            ]
        )

    def guides(self) -> Html:
        """Return the prose before the reference."""
        info = self._document["info"]
        first = Exchange("POST", "/v1/track", self._example(component(Kind.DELIVERED)))
        return fill(
            "guides.html",
            summary=info["summary"],
            description=join(Html(f"<p>{prose(text)}</p>") for text in info["description"].split("\n\n")),
            first=request_card("first", "a first event", first, self._chosen),
            servers=join(
                fill("server.html", url=server["url"], place=server["x-place"]) for server in self._document["servers"]
            ),
            unauthorized=self._answer_card("Unauthorized", "401"),
            invalid=self._answer_card("Invalid", "400"),
            unavailable=self._answer_card("Unavailable", "503"),
            errors=_terms((error.code, f"{error.status}. {error.means}") for error in Error),
            codes=_terms((code.value, code.means) for code in Code),
            event=f"{EVENT_BYTES // _KIB} KiB",
            batch=f"{BATCH_BYTES // _KIB} KiB",
            items=f"{ITEMS:,}",
            depth=str(DEPTH),
        )

    def track(self) -> Html:
        """Return what all track calls share, the six events, and any other event."""
        method, path, operation = self._operations[_TRACK]
        shared = fill(
            "operation.html",
            id=_TRACK,
            title="Sending an event",
            method=method,
            path=path,
            description=prose(operation["description"]),
            fields=self._parameters(operation),
            answers=self._answers(operation),
            card=fill("events.html", items=join(map(self._event_link, Kind))),
        )
        events = [self._event(_anchor(kind), component(kind)) for kind in Kind]
        return join([shared, *events, self._event("any-event", call_component(Type.TRACK))])

    def others(self) -> list[Html]:
        """Return a section for each other operation."""
        return [self._other(name) for name in self._operations if name != _TRACK]

    def _event(self, anchor: str, name: str) -> Html:
        method, path, operation = self._operations[_TRACK]
        schema = self._document["components"]["schemas"][name]
        return fill(
            "operation.html",
            id=anchor,
            title=schema["title"],
            method=method,
            path=path,
            description=prose(schema["description"]),
            fields=self._body(schema),
            answers=self._answers(operation),
            card=request_card(anchor, schema["title"], Exchange(method, path, self._example(name)), self._chosen),
        )

    def _event_link(self, kind: Kind) -> Html:
        first = self._document["components"]["schemas"][component(kind)]["description"].partition(". ")[0]
        return fill("event.html", anchor=_anchor(kind), title=kind.event, sentence=f"{first}.")

    def _other(self, name: str) -> Html:
        method, path, operation = self._operations[name]
        fields, body = [self._parameters(operation)], None
        if "requestBody" in operation:
            content = self._resolve(operation["requestBody"])["content"][_JSON]
            fields.append(self._body(self._resolve(content["schema"])))
            body = self._example(next(iter(content["examples"])))
        return fill(
            "operation.html",
            id=name,
            title=operation["summary"],
            method=method,
            path=path,
            description=prose(operation["description"]),
            fields=join(fields),
            answers=self._answers(operation),
            card=request_card(name, operation["summary"], Exchange(method, path, body), self._chosen),
        )

    def _parameters(self, operation: Schema) -> Html:
        parameters = [self._resolve(parameter) for parameter in operation["parameters"]]
        return Html(f"<h3>Parameters</h3>{parameter_list(parameters)}")

    def _body(self, schema: Schema) -> Html:
        return Html(f"<h3>Body</h3>{field_list(schema, self._resolve)}")

    def _answers(self, operation: Schema) -> Html:
        responses = {status: self._resolve(response) for status, response in operation["responses"].items()}
        for status, response in responses.items():
            headers = {name: self._resolve(header) for name, header in response["headers"].items()}
            responses[status] = {**response, "headers": headers}
        return answer_list(responses)

    def _answer_card(self, name: str, title: str) -> Html:
        return code_card(title, self._document["components"]["responses"][name]["content"][_JSON]["example"])

    def _example(self, name: str) -> dict[str, Any]:
        example: dict[str, Any] = self._document["components"]["examples"][name]["value"]
        return example

    def _resolve(self, node: Schema) -> Schema:
        """Return what a reference points at, with what stands beside the reference; anything else as it is."""
        if "$ref" not in node:
            return node
        target: Any = self._document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return {**target, **node}


def _anchor(kind: Kind) -> str:
    return kind.event.lower().replace(" ", "-")


def _links(title: str, links: Iterable[tuple[str, str]]) -> Html:
    items = join(fill("link.html", anchor=anchor, title=text) for anchor, text in links)
    return fill("links.html", title=title, items=items)


def _terms(pairs: Iterable[tuple[str, str]]) -> Html:
    return join(fill("term.html", term=term, sentence=prose(text)) for term, text in pairs)
