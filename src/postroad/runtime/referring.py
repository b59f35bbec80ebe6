"""Where clients reach this server, for the reference page."""

from postroad.config.model import Config
from postroad.reference.servers import Server
from postroad.web.local import ingest_url


def servers_of(config: Config) -> list[Server]:
    """Return the addresses of each region: those of its hosts, or this machine's own where it lists none.

    Behind a trusted proxy, or with TLS of our own, hosts are reached by https at the usual port.
    """
    own = ingest_url(config.server)
    scheme = "https" if config.server.tls or config.server.trusted_proxies else "http"
    port = f":{config.server.bind.port}" if not config.server.trusted_proxies else ""
    return [
        Server(name, url)
        for name, region in config.regions.items()
        for url in [f"{scheme}://{_in_url(host)}{port}" for host in region.hosts] or [own]
    ]


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
