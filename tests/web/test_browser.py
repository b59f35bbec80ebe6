"""What browsers need: settings before the first call, CORS on every answer, a place for the SDK's own figures."""

import json

import pytest
from wire import GOOD, KEY, post


async def test_the_settings_send_the_sdk_where_it_asked(server):
    """The SDK finds the host that it asked, its scheme, and its key, and nothing that it would load code for."""
    reply = await server.send(f"GET /v1/projects/{KEY}/settings HTTP/1.1\r\nHost: cdp.test:8080\r\n\r\n".encode())
    place = {"apiKey": KEY, "apiHost": "cdp.test:8080/v1", "protocol": "http"}
    assert reply.status == 200
    assert json.loads(reply.body)["integrations"] == {"Customer.io Data Pipelines": place}


@pytest.mark.parametrize("key", ["nobody-has-this", "sk_us_secret"])
async def test_settings_are_refused_without_showing_the_key(server, key):
    """A key of nobody, and a secret key, get 401; the answer doesn't repeat it."""
    reply = await server.send(f"GET /v1/projects/{key}/settings HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert reply.status == 401
    assert key not in reply.body.decode()


@pytest.mark.parametrize("path", ["/v1/track", "/v1/t", "/v1/batch", "/v1/m", f"/v1/projects/{KEY}/settings"])
async def test_preflight(server, path):
    """A browser that asks first is told that it may send, with the headers that clients use."""
    request = f"OPTIONS {path} HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.test\r\n"
    reply = await server.send((request + "Access-Control-Request-Method: POST\r\n\r\n").encode())
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert {"authorization", "content-type", "x-strict-mode"} <= {
        name.strip() for name in reply.headers["access-control-allow-headers"].lower().split(",")
    }


async def test_every_answer_to_a_page_may_be_read_by_it(server):
    """200, 400, 401 and 404 alike carry the CORS header when the request has an Origin, and only then."""
    for request in (
        post(GOOD, "Origin: https://shop.test"),
        post(b"{}", "Origin: https://shop.test", strict=True),
        post(GOOD, "Origin: https://shop.test", strict=True, key="nobody"),
        b"GET /nothing HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.test\r\n\r\n",
    ):
        assert (await server.send(request)).headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in (await server.post(GOOD)).headers


async def test_the_figures_of_sdks_are_taken_and_dropped(server):
    """`POST /v1/m` is 200 `{}` for anybody, and nothing of it is kept."""
    assert (await server.post(b'{"series":[]}', path="/v1/m", key=None)).status == 200
    assert await server.stored() == []
    assert await server.rejected() == []


async def test_a_browsers_call(server):
    """text/plain, a one-letter path and the key in the body: no preflight, no header, stored."""
    body = GOOD[:-1] + f',"writeKey":"{KEY}","_metadata":{{}}}}'.encode()
    reply = await server.post(body, "Content-Type: text/plain", path="/v1/t", key=None, strict=True)
    assert reply.status == 200
    assert len(await server.stored()) == 1
