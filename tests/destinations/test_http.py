"""One careful POST: bounded in time and memory, and silent about secrets."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from postroad import __version__
from postroad.destinations.base import Pause, Retry, Surroundings
from postroad.destinations.http.answer import ServiceAnswer
from postroad.destinations.http.client import MAX_ANSWER, MAX_EXCERPT, Client, Url
from postroad.testing import receiver as behaviours
from postroad.testing.receiver import Receiver, answer

CERTIFICATE = Path(__file__).parent / "untrusted.pem"


@pytest.fixture
async def client(surroundings: Surroundings) -> AsyncIterator[Client]:
    """A client that waits half a second."""
    made = Client(surroundings._replace(timeout=0.5), secrets=["hunter2", ""])
    yield made
    await made.close()


async def post(client: Client, receiver: Receiver) -> ServiceAnswer | Retry | Pause:
    """Post to the receiver with a URL full of secrets."""
    return await client.post(
        Url(f"http://ada:pass@127.0.0.1:{receiver.port}/hook?token=query"), b"{}", {"X": "hunter2"}
    )


def test_a_url_hides_its_secrets() -> None:
    """A URL prints as its origin, and says what must never show."""
    url = Url("https://ada:pass@crm.example.com:8443/hooks/B0secret99?token=s3cr3t-value&v=1#part")
    assert f"{url} {url!r}" == "https://crm.example.com:8443/*** https://crm.example.com:8443/***"
    assert url.place == "crm.example.com:8443"
    sent = aiohttp.encode_basic_auth("ada", "pass")
    assert list(url.secrets) == sorted(
        ["pass", sent, "token=s3cr3t-value&v=1", "s3cr3t-value", "hooks/B0secret99", "B0secret99"],
        key=len,
        reverse=True,
    )
    assert str(Url("https://crm.example.com")) == "https://crm.example.com"


@pytest.mark.parametrize(
    "text", ["", "/path", "crm.example.com", "https://", "https://:80", "mailto:a@b", "http://h:x"]
)
def test_what_cannot_be_called_is_no_url(text: str) -> None:
    """A text without scheme or host is refused when it is read."""
    with pytest.raises(ValueError, match=r"must|has no host"):
        Url(text)


async def test_it_sends_what_it_was_given(client: Client, receiver: Receiver) -> None:
    """Body and headers go out as they are, with our name, the URL's credentials, and no wish for compression."""
    assert isinstance(await post(client, receiver), ServiceAnswer)
    request = receiver.requests[0]
    assert request.body == b"{}"
    assert request.headers["user-agent"] == f"Postroad/{__version__}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["authorization"] == aiohttp.encode_basic_auth("ada", "pass")
    assert request.headers["x"] == "hunter2"
    assert request.head.startswith(b"POST /hook?token=query HTTP/1.1\r\n")


async def test_a_put_sends_a_signed_url_as_it_is_written(client: Client, receiver: Receiver) -> None:
    """PUT sends the body like POST does, and an encoded URL byte for byte: a signature covers how it is written."""
    written = "/b/region%3Dus%2Fa?Credential=key%2Fs3&Signature=a%2bb%3d"
    got = await client.put(Url(f"http://127.0.0.1:{receiver.port}{written}", encoded=True), b"file", {"X": "y"})
    assert isinstance(got, ServiceAnswer)
    (request,) = receiver.requests
    assert request.head.startswith(f"PUT {written} HTTP/1.1\r\n".encode())
    assert (request.body, request.headers["x"]) == (b"file", "y")
    assert "content-type" not in request.headers


async def test_a_connection_is_used_again(client: Client, receiver: Receiver) -> None:
    """Answers that came whole leave the connection open for the next request."""
    ports = set()

    async def note(writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername"))
        await answer(200, b"ok")(writer)

    receiver.behaviour = note
    for _ in range(3):
        await post(client, receiver)
    assert len(ports) == 1


async def test_redirects_and_cookies_are_ignored(client: Client, receiver: Receiver) -> None:
    """A redirect is handed back, not followed, and a cookie is not sent back."""
    receiver.behaviour = answer(307, b"", {"Location": "/elsewhere", "Set-Cookie": "a=b"})
    for _ in range(2):
        got = await post(client, receiver)
        assert isinstance(got, ServiceAnswer)
        assert got.status == 307
    assert len(receiver.requests) == 2
    assert "cookie" not in receiver.requests[1].headers


async def test_a_proxy_of_the_environment_is_ignored(
    surroundings: Surroundings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy could reach what the guard forbids, so none is taken from the environment."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    client = Client(surroundings)
    assert isinstance(await post(client, receiver), ServiceAnswer)
    await client.close()


async def test_the_excerpt_is_short_printable_and_without_secrets(client: Client, receiver: Receiver) -> None:
    """A service that echoes our secrets, controls the terminal or talks at length is quoted safely."""
    receiver.behaviour = answer(400, b"\x1b[2J\r\nhunter2 \xff \xe2\x80\xae" + b"long" * 1000)
    got = await post(client, receiver)
    assert isinstance(got, ServiceAnswer)
    assert got.excerpt.startswith("\\x1b[2J\\r\\n*** � \\u202elong")
    assert len(got.excerpt) == MAX_EXCERPT
    assert got.excerpt.isprintable()


async def test_an_endless_answer_is_cut(client: Client, receiver: Receiver) -> None:
    """Of an answer without end 64 KiB are read, and its status counts."""
    receiver.behaviour = behaviours.endless
    got = await post(client, receiver)
    assert isinstance(got, ServiceAnswer)
    assert (got.status, len(got.body)) == (200, MAX_ANSWER)


async def test_a_stalled_answer_is_cut(client: Client, receiver: Receiver) -> None:
    """A body that stops half way is given up after the time-out, and the status that came counts."""
    receiver.behaviour = behaviours.stall
    got = await post(client, receiver)
    assert isinstance(got, ServiceAnswer)
    assert (got.status, got.body) == (200, b"ok so far")


async def test_a_compressed_bomb_stays_small(client: Client, receiver: Receiver) -> None:
    """A body is not decompressed, whatever its headers say."""
    receiver.behaviour = answer(200, b"\x1f\x8b not really", {"Content-Encoding": "gzip"})
    got = await post(client, receiver)
    assert isinstance(got, ServiceAnswer)
    assert got.body == b"\x1f\x8b not really"


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (behaviours.hang, "did not answer within 0.5 s"),
        (behaviours.reset, "closed the connection without an answer"),
        (behaviours.mumble, "did not answer in HTTP"),
        (answer(200, b"", {"X": "x" * 100_000}), "did not answer in HTTP"),
    ],
)
async def test_no_answer_is_a_retry(
    client: Client, receiver: Receiver, behaviour: behaviours.Behaviour, why: str
) -> None:
    """Each way of not answering is a retry that says which, and shows nothing of the URL but the place."""
    receiver.behaviour = behaviour
    got = await post(client, receiver)
    assert isinstance(got, Retry)
    assert got.why.startswith(f"127.0.0.1:{receiver.port} {why}")
    assert [text for text in ("ada", "pass", "query", "hunter2") if text in got.why] == []


async def test_a_closed_port_is_a_retry(client: Client, receiver: Receiver) -> None:
    """Nobody listening is a retry with the system's reason."""
    url, place = Url(receiver.url), f"127.0.0.1:{receiver.port}"
    await receiver.stop()
    got = await client.post(url, b"{}", {})
    assert got == Retry(f"{place} could not be connected to: Connection refused")


async def test_an_unknown_name_is_a_retry(client: Client) -> None:
    """A name that does not resolve is a retry that says so."""
    got = await client.post(Url("https://ada:pass@no-such-name.invalid/?query"), b"{}", {})
    assert isinstance(got, Retry)
    assert got.why.startswith("the name of no-such-name.invalid could not be resolved: ")


async def test_a_server_without_tls_is_a_retry(client: Client) -> None:
    """A handshake that fails is a retry that says so."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(400)(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    got = await client.post(Url(f"https://ada:pass@127.0.0.1:{port}/?query"), b"{}", {})
    assert isinstance(got, Retry)
    assert got.why == f"TLS with 127.0.0.1:{port} failed: WRONG_VERSION_NUMBER"
    server.close()
    await server.wait_closed()


async def test_an_untrusted_certificate_is_a_retry(client: Client) -> None:
    """A certificate that nobody vouches for is a retry that says so, and nothing is sent."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    sent = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            sent.append(await reader.read())
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    got = await client.post(Url(f"https://127.0.0.1:{port}/"), b"{}", {})
    assert isinstance(got, Retry)
    assert got.why == f"127.0.0.1:{port} has a certificate that is not trusted: self-signed certificate"
    assert b"".join(sent) == b""
    server.close()
    await server.wait_closed()
