"""The cards beside the text: a request in three languages, a form that sends it, and answers."""

from collections.abc import Mapping
from typing import Any

from postroad.reference.highlight import Chosen, highlight
from postroad.reference.markup import Html, fill, join, prose
from postroad.reference.snippets import Exchange, as_json, snippets


def request_card(name: str, title: str, exchange: Exchange, chosen: Chosen) -> Html:
    """Return the card of a request; `name` makes its ids unique on the page."""
    codes = snippets(exchange)
    tabs = [_tab(name, language, selected=number == 0) for number, language in enumerate(codes)]
    panels = [
        fill("panel.html", id=f"{name}-{language.lower()}", language=language, code=highlight(code, chosen))
        for language, code in codes.items()
    ]
    return fill(
        "card.html",
        title=title,
        method=exchange.method,
        path=exchange.path,
        tabs=join([*tabs, _tab(name, "Try it", selected=False)]),
        panels=join([*panels, _try_it(name, exchange)]),
    )


def code_card(status: str, value: object) -> Html:
    """Return a card that shows the body of an answer."""
    return fill("code.html", status=status, code=highlight(as_json(value)))


def answer_list(responses: Mapping[str, Mapping[str, Any]]) -> Html:
    """Return the answers of an operation, whose references are resolved, by status."""
    rows = []
    for status, response in responses.items():
        example = response["content"]["application/json"].get("example", {})
        headers = [
            fill("header.html", name=name, value=str(header["example"]), sentence=prose(header["description"]))
            for name, header in response["headers"].items()
        ]
        rows.append(
            fill(
                "answer.html",
                status=status,
                kind="good" if status == "200" else "bad",
                description=prose(response["description"]),
                headers=join(headers),
                code=highlight(as_json(example)),
            )
        )
    return Html(f'<div class="answers">{join(rows)}</div>')


def _tab(name: str, title: str, *, selected: bool) -> Html:
    return fill(
        "tab.html",
        panel=f"{name}-{title.lower().replace(' ', '-')}",
        title=title,
        selected=str(selected).lower(),
        index="0" if selected else "-1",
    )


def _try_it(name: str, exchange: Exchange) -> Html:
    if exchange.body is None:
        editor = Html("")
    else:
        text = as_json(exchange.body)
        editor = fill("editor.html", id=f"{name}-body", rows=str(text.count("\n") + 1), body=text)
    return fill("try.html", id=f"{name}-try-it", editor=editor)
