"""Who sends a call: its write key decides, and the host it came to may only object."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from postroad.contract.credentials import keys_in_body, keys_in_header
from postroad.contract.violations import Code, Problem
from postroad.web.answers import Scope
from postroad.web.forwarded import Network, caller_of, host_name
from postroad.web.keyring import ApiSource, KeyRing, fingerprint
from postroad.web.request import Oversized

_MISMATCH: Final = Problem(
    "writeKey", Code.KEY_MISMATCH, "belongs to another source than the Authorization header; the header counts"
)


class Stranger(NamedTuple):
    """A sender that is none of ours: why, and a fingerprint of the key if there was one."""

    problem: Problem
    fingerprint: str


class Senders:
    """Finds out who sends. `hosts` are the host names of each region, `trusted` the proxies that are believed."""

    def __init__(
        self, keys: KeyRing, hosts: Mapping[str, Sequence[str]] | None = None, trusted: Sequence[Network] = ()
    ) -> None:
        self._keys = keys
        self._hosts = {region: frozenset(map(host_name, names)) for region, names in (hosts or {}).items() if names}
        self._trusted = trusted

    def by_header(self, authorization: bytes) -> ApiSource | None:
        """Return the source whose key the Authorization header holds."""
        return self._keys.by_header(authorization)

    def identify(
        self, source: ApiSource | None, authorization: bytes, body: bytes | Oversized, scope: Scope
    ) -> ApiSource | Stranger:
        """Return who sends: `source` is what `by_header` found, a key in the body counts where it found none."""
        if source is None:
            in_body = () if isinstance(body, Oversized) else keys_in_body(body)
            source = self._keys.by_keys(in_body)
            if source is None:
                return _stranger((*keys_in_header(authorization), *in_body))
        if self._hosts and (problem := self._objection(source, scope)) is not None:
            return Stranger(problem, fingerprint(keys_in_header(authorization)))
        return source

    def contradiction(self, source: ApiSource, body: bytes) -> Problem | None:
        """Return what is wrong when the body names the key of somebody else than its sender."""
        if b'"writeKey"' not in body:
            return None
        others = [key for key in keys_in_body(body) if self._keys.by_keys((key,)) is not source]
        return _MISMATCH if others else None

    def _objection(self, source: ApiSource, scope: Scope) -> Problem | None:
        host = host_name(caller_of(scope, self._trusted).host)
        if host in self._hosts.get(source.region, ()):
            return None
        for region, hosts in self._hosts.items():
            if host in hosts:
                message = (
                    f"the write key belongs to region {source.region}, and {host} is a host of region {region}; "
                    f"send to a host of {source.region}, or use a key of {region}"
                )
                return Problem("", Code.KEY_OF_OTHER_REGION, message)
        return None


def _stranger(keys: Sequence[str]) -> Stranger:
    if keys:
        problem = Problem("", Code.KEY_UNKNOWN, "the write key belongs to no source here; check it for typos")
    else:
        problem = Problem("", Code.KEY_MISSING, "no write key; send it as the user name of HTTP Basic")
    return Stranger(problem, fingerprint(keys))
