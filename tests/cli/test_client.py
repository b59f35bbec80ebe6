"""Calls from the command line to a server on the same machine."""

import http.server
import ssl
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from server import free_port

from postroad.cli.client import Unreachable, get, ingest_url, post_admin
from postroad.config import Address, Server, Tls

CERTIFICATE = Path(__file__).parents[1] / "destinations" / "untrusted.pem"


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
        words = f"{self.command} {self.path} {self.headers.get('Authorization')} ".encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(words + body)


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


def test_the_admin_address():
    """The admin token goes to the admin address as a Bearer token."""
    with serving() as port:
        server = Server(admin_bind=Address("0.0.0.0", port))  # noqa: S104 - how it listens, not how it is called
        assert post_admin(server, "/api", b"{}", "tok", 5).body == b"POST /api Bearer tok {}"


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
