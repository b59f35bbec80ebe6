"""The reference of the API as pages: made once, when the server starts."""

from collections.abc import Mapping, Sequence

from postroad.reference.openapi import openapi_json
from postroad.reference.page import OPENAPI_HEADERS, docs_headers, docs_page
from postroad.reference.servers import Server
from postroad.web.answers import Answer, Header


def reference_pages(servers: Sequence[Server]) -> Mapping[str, Answer]:
    """Return `/openapi.json` and `/docs` for an API that is reached at `servers`."""
    return {
        "/openapi.json": _page(openapi_json(servers), OPENAPI_HEADERS),
        "/docs": _page(docs_page(servers), docs_headers(servers)),
    }


def _page(body: bytes, headers: Sequence[Header]) -> Answer:
    media = dict(headers)[b"content-type"]
    return Answer(200, body, [header for header in headers if header[0] != b"content-type"], media)
