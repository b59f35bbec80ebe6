"""Calls from the command line to a server on the same machine."""

import http.server
import json
import ssl
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from server import free_port

from postroad.cli.client import Unreachable, ask_admin, get
from postroad.config import Address, Server, Tls
from postroad.errors import PostroadError, StoreUnavailable, UsageError
from postroad.web.local import ingest_url

CERTIFICATE = Path(__file__).parents[1] / "destinations" / "untrusted.pem"
ANSWERS = {"/400": (400, b'{"message":"no such thing"}'), "/503": (503, b'{"message":"later"}'), "/json": (200, b"")}


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_GET(self):
        """Answer a GET."""
        self._answer(b"")

    def do_POST(self):
        """Answer a POST."""
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_):
        """Say nothing."""

    def _answer(self, body):
        words = f"{self.command} {self.path} {self.headers.get('Authorization')}"
        status, answer = ANSWERS.get(self.path, (200, f"{words} ".encode() + body))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer or json.dumps({"asked": words, "body": body.decode()}).encode())


@contextmanager
def serving(context=None):
    """Serve on a free port, over TLS when there is a context."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Echo)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_over_tls():
    """A server with a certificate for another host is reached, because it is the configured certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with serving(context) as port:
        server = Server(bind=Address("127.0.0.1", port), tls=Tls(cert=CERTIFICATE, key=CERTIFICATE))
        assert ingest_url(server) == f"https://127.0.0.1:{port}"
        assert get(server, "/readyz", 5).body == b"GET /readyz None "


def test_the_admin_address(tmp_path):
    """The admin token goes to the admin address as a Bearer token, and what it tells comes back."""
    (tmp_path / "admin-token").write_text("tok\n")
    with serving() as port:
        server = Server(admin_bind=Address("0.0.0.0", port), data_dir=tmp_path)  # noqa: S104 - how it listens
        told = ask_admin(server, "POST", "/json", {"a": 1})
        assert told == {"asked": "POST /json Bearer tok", "body": '{"a":1}'}
        with pytest.raises(UsageError, match="no such thing"):
            ask_admin(server, "GET", "/400")
        with pytest.raises(PostroadError, match="answers 503: later"):
            ask_admin(server, "GET", "/503")
        with pytest.raises(PostroadError, match="answers 200"):
            ask_admin(server, "GET", "/text")


def test_no_admin_token(tmp_path):
    """Without an admin token no server has been started here, and the sentence says so."""
    with pytest.raises(StoreUnavailable, match="admin-token"):
        ask_admin(Server(data_dir=tmp_path), "GET", "/api/status")


def test_nobody_answers():
    """A server that is not there is one sentence with its address and what to do."""
    port = free_port()
    with pytest.raises(Unreachable, match=rf"http://127.0.0.1:{port}.*postroad serve"):
        get(Server(bind=Address("127.0.0.1", port)), "/", 5)


def test_something_else_answers():
    """What does not speak HTTP there is told in a sentence too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with serving(context) as port, pytest.raises(Unreachable):
        get(Server(bind=Address("127.0.0.1", port)), "/", 5)


@pytest.mark.parametrize(
    ("host", "url"),
    [("::", "http://[::1]:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("example.com", "http://example.com:1")],  # noqa: S104
)
def test_where_to_call(host, url):
    """A server that listens everywhere is called at the loopback address."""
    assert ingest_url(Server(bind=Address(host, 1))) == url
