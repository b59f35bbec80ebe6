"""How a running server hands out the reference: compressed when asked, once for whoever has it already."""

import gzip
from contextlib import closing
from http.client import HTTPConnection

import pytest

from postroad import registry
from postroad.config.schema import json_schema
from postroad.reference.openapi import openapi_json
from postroad.reference.page import docs_headers, docs_page
from postroad.reference.servers import ApiServer
from postroad.web.reference import Document

PATHS = ("/docs", "/openapi.json", "/postroad.schema.json")
MEDIA = {
    "/docs": "text/html; charset=utf-8",
    "/openapi.json": "application/json",
    "/postroad.schema.json": "application/schema+json",
}


@pytest.fixture(params=["ingest", "admin"])
def port(process, request):
    """The port of each address in turn."""
    return process.port if request.param == "ingest" else process.admin_port


def ask(port, path, method="GET", **headers):
    """Return status, headers and body of an answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def expected(process, port):
    """Return what each path has to be on this address."""
    servers = [ApiServer("us", process.url)]
    return {
        "/docs": docs_page(servers, takes_calls=port == process.port),
        "/openapi.json": openapi_json(servers),
        "/postroad.schema.json": json_schema(registry.catalogue()),
    }


@pytest.mark.parametrize("path", PATHS)
def test_it_is_compressed_for_whoever_takes_that(process, port, path):
    """The same page, plain or gzip as Accept-Encoding says, told apart by Vary and by the names of the versions."""
    status, plain, body = ask(port, path)
    assert (status, plain["content-encoding"], plain["content-type"]) == (200, None, MEDIA[path])
    assert body == expected(process, port)[path]
    status, packed, small = ask(port, path, Accept_Encoding="br, GZIP;q=0.5")
    assert (status, packed["content-encoding"], packed["content-type"]) == (200, "gzip", MEDIA[path])
    assert gzip.decompress(small) == body
    assert len(small) < len(body) / 5
    for headers, sent in ((plain, body), (packed, small)):
        assert headers["content-length"] == str(len(sent))
        assert (headers["vary"], headers["cache-control"]) == ("accept-encoding", "no-cache")
        assert headers["etag"].startswith('"')
    assert plain["etag"] != packed["etag"]


@pytest.mark.parametrize("path", PATHS)
def test_it_is_not_sent_again(port, path):
    """If-None-Match with this version's name, among others, weak, or `*`, is a 304 with no body; another's is not."""
    for accepted in ("identity", "gzip"):
        name = ask(port, path, Accept_Encoding=accepted)[1]["etag"]
        for known in (name, f'"x", W/{name}', "*"):
            status, headers, body = ask(port, path, Accept_Encoding=accepted, If_None_Match=known)
            assert (status, headers["etag"], headers["content-length"], body) == (304, name, None, b"")
            assert headers["content-encoding"] is None
        assert ask(port, path, Accept_Encoding=accepted, If_None_Match='"x"')[0] == 200
    plain = ask(port, path)[1]["etag"]
    assert ask(port, path, Accept_Encoding="gzip", If_None_Match=plain)[0] == 200


def test_head_tells_the_same(port):
    """HEAD has the headers of GET, and no body."""
    for path in PATHS:
        (status, headers, body), get = ask(port, path, "HEAD"), ask(port, path)[1]
        assert (status, body) == (200, b"")
        assert [headers[name] for name in ("content-length", "etag")] == [get["content-length"], get["etag"]]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        (b"gzip", True),
        (b"*", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.00, *", False),
        (b"x-gzip2", False),
        (b"", False),
    ],
)
def test_only_gzip_that_is_wanted(accepted, packed):
    """A weight of 0 means no, `*` means any that is not named."""
    headers = (
        Document(b"page", docs_headers([ApiServer("us", "http://x")])).answer({b"accept-encoding": accepted}).headers
    )
    assert ((b"content-encoding", b"gzip") in headers) is packed


def test_no_host_gets_into_the_page(port):
    """Whatever Host a reader's request names, the bytes are those that everybody gets; what is no host is refused."""
    usual = ask(port, "/docs")
    assert ask(port, "/docs", Host='a"><script>x</script>')[0] == 400
    for host in ("evil.example", "cdp.example.com:1"):
        status, headers, body = ask(port, "/docs", Host=host)
        assert (status, headers["etag"], body) == (200, usual[1]["etag"], usual[2])


def test_the_policy_comes_along(process, port):
    """The page's policy is on the page, and the 304 renews it."""
    wanted = dict(docs_headers([ApiServer("us", process.url)], takes_calls=port == process.port))
    name = ask(port, "/docs")[1]["etag"]
    for headers in (ask(port, "/docs")[1], ask(port, "/docs", If_None_Match=name)[1]):
        assert headers["content-security-policy"] == wanted[b"content-security-policy"].decode()
