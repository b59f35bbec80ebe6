"""How this machine reaches the addresses that a server of ours listens on."""

import ssl
from typing import Final

from postroad.config import Address, Server, Tls

API: Final = "/api/"
"""What everything begins with that operators ask."""

RETRY: Final = "/api/rejections/retry"
"""Where both addresses take rejections to retry; the ingest address from the admin address alone."""

METRICS: Final = "/metrics"
"""Where both addresses tell their figures, to whoever has the admin token or that of this path."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to call when the server listens everywhere


def local(address: Address) -> Address:
    """Return the address to call for one that is listened on."""
    return Address(_ANYWHERE.get(address.host, address.host), address.port)


def url_of(address: Address, scheme: str = "http") -> str:
    """Return the URL at which this machine reaches an address that a server listens on."""
    return f"{scheme}://{local(address)}"


def ingest_url(server: Server) -> str:
    """Return the URL of the ingest address."""
    return url_of(server.bind, "https" if server.tls else "http")


def pinned(tls: Tls) -> ssl.SSLContext:
    """Return a context that trusts this very certificate, whatever host it names, and no other.

    Raises `OSError` when the certificate can't be read.
    """
    context = ssl.create_default_context(cafile=str(tls.cert))
    context.check_hostname = False  # the certificate names the public host; that it is this very one is enough
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
