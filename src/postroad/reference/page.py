"""The reference page: the OpenAPI document for people, in one file that loads nothing."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

from postroad.reference.markup import Html, fill, join, resource
from postroad.reference.openapi import openapi
from postroad.reference.sections import Sections
from postroad.reference.servers import Server, origins

Header = tuple[bytes, bytes]

OPENAPI_HEADERS: Final[tuple[Header, ...]] = ((b"content-type", b"application/json"),)
"""The headers of `/openapi.json`."""


def docs_page(servers: Sequence[Server]) -> bytes:
    """Return the page for an API that is reached at `servers`: at least one, the first is chosen at first."""
    document = openapi(servers)
    sections = Sections(document)
    page = fill(
        "page.html",
        title=document["info"]["title"],
        summary=document["info"]["summary"],
        style=Html(resource("page.css")),
        script=Html(resource("page.js")),
        servers=join(fill("option.html", url=server["url"], title=server["x-place"]) for server in document["servers"]),
        navigation=sections.navigation(),
        content=join([sections.guides(), sections.track(), *sections.others()]),
    )
    return page.encode()


def docs_headers(servers: Sequence[Server]) -> tuple[Header, ...]:
    """Return the page's headers: nothing is loaded, only its own style and script run, only `servers` are called."""
    policy = [
        "default-src 'none'",
        f"style-src 'sha256-{_digest('page.css')}'",
        f"script-src 'sha256-{_digest('page.js')}'",
        f"connect-src {' '.join(origins(servers))}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", "; ".join(policy).encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    )


def _digest(name: str) -> str:
    return base64.b64encode(hashlib.sha256(resource(name).encode()).digest()).decode()
