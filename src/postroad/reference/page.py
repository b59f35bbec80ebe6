"""The reference page: the OpenAPI document for people, in one file that loads nothing. `templates/` has its words."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache, partial
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from postroad.contract.limits import BATCH_BYTES, DEPTH, EVENT_BYTES, ITEMS
from postroad.contract.refusals import Error
from postroad.contract.violations import Code
from postroad.reference import fields, snippets
from postroad.reference.clients import clients
from postroad.reference.highlight import Chosen, highlight, prose
from postroad.reference.openapi import openapi
from postroad.reference.sections import call_sections, event_sections, resolver
from postroad.reference.servers import ApiServer, origins

Header = tuple[bytes, bytes]

OPENAPI_HEADERS: Final[tuple[Header, ...]] = ((b"content-type", b"application/json"),)
"""The headers of `/openapi.json`."""

YOUR_KEY: Final = "YOUR_WRITE_KEY"

_KIB: Final = 1024


def docs_page(servers: Sequence[ApiServer], *, takes_calls: bool = False) -> bytes:
    """Return the page for an API that is reached at `servers`: at least one, the first is chosen at first.

    Where the page's own address `takes_calls`, a reader's browser puts that address before `servers`, however the
    reader came by it: the bytes are the same for every reader.
    """
    document = openapi(servers)
    templates = _templates()
    chosen = Chosen(document["servers"][0]["url"], YOUR_KEY)
    templates.filters["highlight"] = cache(partial(highlight, chosen=chosen))  # answers come up again and again
    templates.globals |= _content(document) | {"takes_calls": takes_calls, "your_key": YOUR_KEY}
    return templates.get_template("page.html").render().encode()


def docs_headers(servers: Sequence[ApiServer], *, takes_calls: bool = False) -> tuple[Header, ...]:
    """Return the page's headers: nothing is loaded, only its own style and script run, only `servers` are called."""
    called = [*(["'self'"] if takes_calls else []), *origins(servers)]
    policy = [
        "default-src 'none'",
        f"style-src 'sha256-{_digest('page.css')}'",
        f"script-src 'sha256-{_digest('page.js')}'",
        f"connect-src {' '.join(called)}",
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


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "as_json": snippets.as_json,
        "identities": fields.identities,
        "models": fields.models,
        "prose": prose,
        "snippets": snippets.snippets,
        "type_name": fields.type_name,
    }
    return templates


def _content(document: dict[str, Any]) -> dict[str, Any]:
    """Return what the templates may name."""
    track, *calls = call_sections(document)
    return {
        **document,
        "resolve": resolver(document),
        "track": track,
        "calls": calls,
        "events": event_sections(document, track),
        "clients": clients(),
        "errors": list(Error),
        "codes": list(Code),
        "limits": {
            "event_kib": EVENT_BYTES // _KIB,
            "batch_kib": BATCH_BYTES // _KIB,
            "calls": f"{ITEMS:,}",
            "depth": DEPTH,
        },
    }


def _digest(name: str) -> str:
    """Return the SHA-256 of a file as it stands in the page."""
    text = _templates().get_template(name).render()
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
