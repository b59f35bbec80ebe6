"""What settings must be to each other: names that exist, are unique, and can be file names."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from postroad.config.keys import SHORTEST_KEY, is_trivial
from postroad.config.model import Config
from postroad.config.problems import Problem, did_you_mean, dotted
from postroad.storage.layout import is_taken

RESERVED_REGIONS: Final = frozenset({"admin-token", "pii-key", "run", "write-key"})
RESERVED_NAMES: Final = frozenset({"All", "all"})

_REGION: Final = re.compile(r"[a-z0-9-]{1,64}")
_ID: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 ._-]{0,62}[A-Za-z0-9_-])?")


def cross_check(config: Config) -> Iterator[Problem]:
    """Yield what is wrong between the settings of a configuration whose settings are each right."""
    yield from _server(config)
    yield from _regions(config)
    yield from _ids("sources", config.sources)
    yield from _ids("destinations", config.destinations)
    yield from _ours(config.destinations)
    yield from _homes("sources", config.sources, config)
    yield from _homes("destinations", config.destinations, config)
    yield from _keys(config)
    yield from _trust(config)
    yield from _names(config)
    yield from _former_ids(config)
    for name, destination in config.destinations.items():
        if destination.retry.first > destination.retry.max_interval:
            path = ("destinations", name, "retry", "max_interval")
            yield Problem(path, "must not be shorter than `first`")


def _server(config: Config) -> Iterator[Problem]:
    server = config.server
    if server.bind == server.admin_bind and server.bind.port:
        yield Problem(("server", "admin_bind"), "must not be the same as `bind`")


def _regions(config: Config) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, region in config.regions.items():
        path = ("regions", name)
        if not _REGION.fullmatch(name):
            yield Problem(path, "is not a region name: small letters, digits and hyphens, at most 64")
        if name in RESERVED_REGIONS:
            yield Problem(path, "is the name of a file in the data folder")
        if region.log:
            yield Problem((*path, "log"), "must be left out: only the embedded log exists; JetStream comes later")
        for index, host in enumerate(region.hosts):
            owner = owners.setdefault(host, name)
            if owner != name:
                yield Problem((*path, "hosts", index), f"is also a host of {dotted(('regions', owner))}")


def _ids(section: str, ids: Iterable[str]) -> Iterator[Problem]:
    for name in ids:
        if not _ID.fullmatch(name):
            yield Problem(
                (section, name),
                "is not an id: at most 64 letters, digits, spaces and . _ -, no space or dot at its ends",
            )


def _ours(ids: Iterable[str]) -> Iterator[Problem]:
    for name in ids:
        if is_taken(name):
            yield Problem(("destinations", name), "is the name of a file of Postroad's own in a region's folder")


def _homes(section: str, tables: Mapping[str, Any], config: Config) -> Iterator[Problem]:
    for name, table in tables.items():
        if table.region not in config.regions:
            near = did_you_mean(table.region, config.regions) or f"; there is {_listed(config.regions)}"
            yield Problem((section, name, "region"), f"is not a region of this configuration{near}")


def _keys(config: Config) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, source in config.sources.items():
        for setting, hashes in source.keys.items():
            others = {owners[digest] for digest in hashes if owners.get(digest, name) != name}
            if others:
                yield Problem(("sources", name, setting), f"is also a key of {dotted(('sources', min(others)))}")
            owners.update(dict.fromkeys(hashes - owners.keys(), name))
        for setting, keys in source.written_keys.items():
            why = _guessable(keys)
            if why and not _is_loopback(config.server.bind.host):
                message = f"{why}, and `server.bind` is open to others; `postroad keys new` makes one"
                yield Problem(("sources", name, setting), message)


def _guessable(keys: Sequence[str]) -> str:
    if any(map(is_trivial, keys)):
        return "is a key that anybody would try"
    return f"has fewer than {SHORTEST_KEY} characters" if any(len(key) < SHORTEST_KEY for key in keys) else ""


def _trust(config: Config) -> Iterator[Problem]:
    for name, source in config.sources.items():
        if source.may and source.is_public:
            why = "`public` is true" if source.public else "it has a key that starts with `pk_`"
            yield Problem(("sources", name, "may"), f"must be left out: {why}, and anybody could send in its name")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _names(config: Config) -> Iterator[Problem]:
    """A destination answers to its names; its id is kept free for it too, because people will write it."""
    owners: dict[tuple[str, str], str] = {(entry.region, name): name for name, entry in config.destinations.items()}
    for name, destination in config.destinations.items():
        for index, alias in enumerate(destination.names):
            path = ("destinations", name, "names", index)
            owner = owners.setdefault((destination.region, alias), name)
            if owner != name:
                yield Problem(path, f"is also a name of {dotted(('destinations', owner))}")
            if alias in RESERVED_NAMES:
                yield Problem(path, "must not be `All`: in `integrations` that means every destination")


def _former_ids(config: Config) -> Iterator[Problem]:
    """An account can go on under one other id only, and only when nobody has it under the old one."""
    heirs: dict[str, str] = {}
    for name, destination in config.destinations.items():
        path = ("destinations", name, "was")
        if not destination.was:
            continue
        if destination.was == name:
            yield Problem(path, "must be another id than its own: leave it out")
        elif destination.was in config.destinations:
            yield Problem(path, f"must be gone: {dotted(('destinations', destination.was))} is configured too")
        heir = heirs.setdefault(destination.was, name)
        if heir != name:
            yield Problem(path, f"is taken over by {dotted(('destinations', heir))} already")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
