"""Colour for code: strings, names, numbers, keywords. No parser, just what these short snippets need."""

import html
import re
from typing import Final, NamedTuple

from postroad.reference.markup import Html
from postroad.reference.snippets import KEY, SERVER, STRICT

_TOKENS: Final = re.compile(
    r"""(?P<name>"(?:[^"\\]|\\.)*"(?=\s*:))
    |(?P<string>"(?:[^"\\]|\\.)*"|'[^'{\n]*')
    |(?P<flag>(?<=\s)--[a-z-]+)
    |(?P<keyword>\b(?:import|const|await|curl|true|false|null|True|False|None)\b)
    |(?P<number>(?<![\w.-])\d+(?:\.\d+)?\b)
    |(?P<call>\b[A-Za-z_]+(?=\())""",
    re.VERBOSE,
)


class Chosen(NamedTuple):
    """The server and the key that examples show until the reader chooses others."""

    server: str
    key: str


_NOTHING: Final = Chosen("", "")


def highlight(code: str, chosen: Chosen = _NOTHING) -> Html:
    """Return code as markup; a snippet's marks become elements that hold what is chosen."""
    parts, end = [], 0
    for token in _TOKENS.finditer(code):
        parts += [html.escape(code[end : token.start()], quote=False), _span(token)]
        end = token.end()
    text = "".join([*parts, html.escape(code[end:], quote=False)])
    lines = [_strict(line) if STRICT in line else f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1].removesuffix("\n")
    filled = "".join(lines).replace(SERVER, _choice("server", chosen.server)).replace(KEY, _choice("key", chosen.key))
    return Html(filled)


def _span(token: re.Match[str]) -> str:
    return f'<span class="t-{token.lastgroup}">{html.escape(token.group(), quote=False)}</span>'


def _strict(line: str) -> str:
    return f"<span data-strict>{line.replace(STRICT, '')}\n</span>"


def _choice(name: str, value: str) -> str:
    return f'<span data-fill="{name}">{html.escape(value)}</span>'
