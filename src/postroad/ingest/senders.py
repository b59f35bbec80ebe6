"""Who sends a call: its write key decides, and the host it came to may only object."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from postroad.contract.credentials import keys_in_header
from postroad.contract.violations import Code, Problem
from postroad.ingest.forwarded import NO_PROXIES, Proxies, caller_of, host_name
from postroad.ingest.keyring import ApiSource, KeyRing, fingerprint_of
from postroad.web.answers import Scope

_MISMATCH: Final = Problem(
    "writeKey",
    Code.KEY_MISMATCH,
    "is no key of the call's source, which is that of the header or else of the first key",
)


_OURS: Final = re.compile(r"(?:pk|sk)_([a-z0-9-]+)_.*")
"""The form of the keys that `postroad keys new` makes, with their region in it: `sk_us_…`."""


class Stranger(NamedTuple):
    """A sender that is none of ours: why, and a fingerprint of the key if there was one."""

    problem: Problem
    fingerprint: str


class Senders:
    """Finds out who sends.

    `hosts` are those of each region (none: any), in lower case, without ports, IPv6 without brackets; `proxies`
    are believed.
    """

    def __init__(
        self, keys: KeyRing, hosts: Mapping[str, Sequence[str]] | None = None, proxies: Proxies = NO_PROXIES
    ) -> None:
        self._keys = keys
        self._regions = frozenset(hosts or ())
        self._hosts = {region: frozenset(names) for region, names in (hosts or {}).items() if names}
        self._proxies = proxies

    def by_header(self, authorization: bytes) -> ApiSource | None:
        """Return the source whose key the Authorization header holds."""
        return self._keys.by_header(authorization)

    def by_keys(self, keys: Iterable[str]) -> ApiSource | None:
        """Return the source of the first key that belongs to one."""
        return self._keys.by_keys(keys)

    def identify(
        self, source: ApiSource | None, authorization: bytes, in_body: Sequence[str], scope: Scope
    ) -> ApiSource | Stranger:
        """Return who sends: `source` is what `by_header` found; the keys in the body count where it found none."""
        if source is None:
            source = self._keys.by_keys(in_body)
            if source is None:
                return self._stranger((*keys_in_header(authorization), *in_body))
        if self._hosts and (problem := self._objection(source, scope)) is not None:
            return Stranger(problem, fingerprint_of((*keys_in_header(authorization), *in_body)))
        return source

    def of_key(self, key: str, scope: Scope) -> ApiSource | Stranger:
        """Return who sends with this key to the host that was called."""
        source = self._keys.by_keys((key,))
        if source is None:
            return self._stranger((key,))
        problem = self._objection(source, scope)
        return source if problem is None else Stranger(problem, fingerprint_of((key,)))

    def contradiction(self, source: ApiSource, keys: Iterable[str | None]) -> Problem | None:
        """Return what is wrong when there is a key, known or not, that is none of the sender's."""
        others = [key for key in keys if key and self._keys.by_keys((key,)) is not source]
        return _MISMATCH if others else None

    def _objection(self, source: ApiSource, scope: Scope) -> Problem | None:
        host = host_name(caller_of(scope, self._proxies).host)
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

    def _stranger(self, keys: Sequence[str]) -> Stranger:
        elsewhere = [found[1] for key in keys if (found := _OURS.fullmatch(key)) and found[1] not in self._regions]
        if elsewhere:
            message = f"the write key is one of region {elsewhere[0]}, which is not served here; send to its host"
            problem = Problem("", Code.KEY_OF_OTHER_REGION, message)
        elif keys:
            problem = Problem("", Code.KEY_UNKNOWN, "the write key belongs to no source here; check it for typos")
        else:
            problem = Problem("", Code.KEY_MISSING, "no write key; send it as the user name of HTTP Basic")
        return Stranger(problem, fingerprint_of(keys))
