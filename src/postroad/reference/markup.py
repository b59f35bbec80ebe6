"""HTML that is safe by construction: what is not `Html` already is escaped when it is filled in."""

import html
import re
from collections.abc import Iterable
from importlib.resources import files
from string import Template
from typing import Final

_CODE: Final = re.compile(r"`([^`]+)`")


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(text: str) -> Html:
    """Return a text as markup; what is `Html` already comes back unchanged."""
    return text if isinstance(text, Html) else Html(html.escape(text))


def join(parts: Iterable[str], between: str = "") -> Html:
    """Return parts as one piece of markup, those that are plain text escaped."""
    return Html(between.join(map(escape, parts)))


def prose(text: str) -> Html:
    """Return a sentence or several as markup, with `code` in backticks."""
    return Html(_CODE.sub(r"<code>\1</code>", html.escape(text)))


def resource(name: str) -> str:
    """Return the text of a file that comes with this package."""
    return files(__package__).joinpath("resources", name).read_text("utf-8")


def fill(name: str, /, **values: str) -> Html:
    """Return a template from the resources with its `$names` filled in. Raises `KeyError` when one is missing."""
    return Html(Template(resource(name)).substitute({key: escape(value) for key, value in values.items()}))
