"""The reference of the API as pages: made, compressed and named once, when the server starts."""

import gzip
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from postroad import registry
from postroad.config.model import Config
from postroad.config.schema import json_schema
from postroad.reference.openapi import openapi_json
from postroad.reference.page import OPENAPI_HEADERS, docs_headers, docs_page
from postroad.reference.servers import ApiServer
from postroad.web.answers import Answer, Header
from postroad.web.local import ingest_url

_SCHEMA_HEADERS: Final[tuple[Header, ...]] = ((b"content-type", b"application/schema+json"),)
_NO_WEIGHT: Final = re.compile(rb"\s*q\s*=\s*0(\.0*)?\s*")


class Document:
    """A page that stays the same while the server runs; a client that has it already is told so (RFC 9110, 13.1.2)."""

    def __init__(self, body: bytes, headers: Sequence[Header]) -> None:
        """`headers` hold the content type."""
        media = dict(headers)[b"content-type"]
        others = [header for header in headers if header[0] != b"content-type"]
        others += [(b"cache-control", b"no-cache"), (b"vary", b"accept-encoding")]
        name = hashlib.sha256(body).hexdigest()[:32].encode()
        # What is compressed is other bytes, and so has another name.
        self._plain = Answer(200, body, [*others, (b"etag", b'"%b"' % name)], media)
        self._packed = Answer(200, gzip.compress(body, mtime=0), [*others, (b"etag", b'"%b-gzip"' % name)], media)

    def answer(self, headers: Mapping[bytes, bytes]) -> Answer:
        """Return the page, compressed if the client takes that, or 304. `headers` have lower-case names."""
        packed = _takes_gzip(headers.get(b"accept-encoding", b""))
        found = self._packed if packed else self._plain
        if _has(headers.get(b"if-none-match", b""), dict(found.headers)[b"etag"]):
            return found._replace(status=304, body=b"")
        return found._replace(headers=[*found.headers, (b"content-encoding", b"gzip")]) if packed else found


def reference_pages(servers: Sequence[ApiServer], *, takes_calls: bool) -> Mapping[str, Document]:
    """Return `/openapi.json` and `/docs` for an API that is reached at `servers`, and `/postroad.schema.json`.

    `takes_calls` says whether the pages' own address is one where calls go.
    """
    page, headers = docs_page(servers, takes_calls=takes_calls), docs_headers(servers, takes_calls=takes_calls)
    return {
        "/openapi.json": Document(openapi_json(servers), OPENAPI_HEADERS),
        "/docs": Document(page, headers),
        "/postroad.schema.json": Document(json_schema(registry.catalogue()), _SCHEMA_HEADERS),
    }


def servers_of(config: Config) -> list[ApiServer]:
    """Return the addresses of each region: those of its hosts, or this machine's own where it lists none.

    Behind a trusted proxy, or with TLS of our own, hosts are reached by https at the usual port.
    """
    own = ingest_url(config.server)
    scheme = "https" if config.server.tls or config.server.trusted_proxies else "http"
    port = f":{config.server.bind.port}" if not config.server.trusted_proxies else ""
    return [
        ApiServer(name, url)
        for name, region in config.regions.items()
        for url in [f"{scheme}://{_in_url(host)}{port}" for host in region.hosts] or [own]
    ]


def _takes_gzip(accepted: bytes) -> bool:
    """Tell whether an Accept-Encoding header allows gzip, by name or by `*`, with a weight that is not 0."""
    codings = [part.partition(b";") for part in accepted.lower().split(b",")]
    weights = {coding.strip(): weight for coding, _, weight in codings}
    weight = weights.get(b"gzip", weights.get(b"*"))
    return weight is not None and not _NO_WEIGHT.fullmatch(weight)


def _has(known: bytes, name: bytes) -> bool:
    """Tell whether an If-None-Match header names this version; a weak name will do."""
    return known.strip() == b"*" or name in {each.strip().removeprefix(b"W/") for each in known.split(b",")}


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
