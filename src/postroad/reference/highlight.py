"""Text as markup: colour for code, and `code` in sentences. What is no markup yet is escaped where it is put in."""

import re
from typing import Final, NamedTuple

from markupsafe import Markup

from postroad.reference.snippets import HOST, KEY, SERVER, STRICT

_TOKENS: Final = re.compile(
    r"""(?P<name>"(?:[^"\\]|\\.)*"(?=\s*:))
    |(?P<string>"(?:[^"\\]|\\.)*"|'[^'{\n]*')
    |(?P<flag>(?<=\s)--[a-z-]+)
    |(?P<keyword>\b(?:import|from|const|let|val|if|defer|await|curl|true|false|null|True|False|None)\b)
    |(?P<number>(?<![\w.-])\d+(?:\.\d+)?\b)
    |(?P<call>\b[A-Za-z_]+(?=\())""",
    re.VERBOSE,
)
_CODE: Final = re.compile(r"`([^`]+)`")


class Chosen(NamedTuple):
    """The server and the key that examples show until the reader chooses others."""

    server: str
    key: str


def highlight(code: str, chosen: Chosen) -> Markup:
    """Return code as markup; a snippet's marks become elements that hold what is chosen.

    There is no parser: strings, names, numbers and keywords are all that these short snippets need.
    """
    text, end = Markup(), 0
    for token in _TOKENS.finditer(code):
        text += code[end : token.start()]
        text += Markup('<span class="t-{}">{}</span>').format(token.lastgroup, token.group())
        end = token.end()
    text += code[end:]
    text = Markup().join(map(_strict, text.splitlines(keepends=True)))
    for mark, name, value in (
        (SERVER, "server", chosen.server),
        (HOST, "host", chosen.server.partition("://")[2]),
        (KEY, "key", chosen.key),
    ):
        text = text.replace(mark, Markup('<span data-fill="{}">{}</span>').format(name, value))
    return text


def prose(text: str) -> Markup:
    """Return a sentence or several as markup, with `code` in backticks."""
    parts: list[str] = _CODE.split(text)  # every second one stood in backticks
    parts[1::2] = map(Markup("<code>{}</code>").format, parts[1::2])
    return Markup().join(parts)


def _strict(line: Markup) -> Markup:
    return Markup("<span data-strict>{}</span>").format(line.replace(STRICT, "")) if STRICT in line else line
