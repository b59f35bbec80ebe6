"""What `check` says of a configuration that can be used and looks like a mistake."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from postroad.config import Config
from postroad.config.keys import PUBLISHABLE, SHORTEST_KEY
from postroad.config.problems import Problem, did_you_mean
from postroad.contract.near import near_event
from postroad.destinations.http.client import Url
from postroad.destinations.http.guard import METADATA, NO_ADDRESS, forbidden
from postroad.operations.destinations import DestinationEntry

_LOCAL: Final = re.compile(r"(?i)(.+\.)?localhost\.?")


def doubts(config: Config, entries: Sequence[DestinationEntry]) -> list[str]:
    """Return a sentence for each thing that is probably not meant; `entries` is what the data folder has."""
    origin = config.origin
    alone = [*_events(config), *_short_keys(config), *_open_keys(config), *_private(config)]
    told = origin.sentences([*alone, *_former_ids(config, entries), *_disabled(config, entries)])
    if origin.file and not origin.lines:
        told.insert(
            0, f"{origin.file}: is empty: what follows are the defaults, and there is no source that could send"
        )
    return told


def _events(config: Config) -> Iterator[Problem]:
    for name, destination in config.destinations.items():
        for index, event in enumerate(destination.events or ()):
            near = near_event(event)
            if near:
                path = ("destinations", name, "events", index)
                yield Problem(path, f"is not the name of an email event; did you mean `{near}`?")


def _disabled(config: Config, entries: Sequence[DestinationEntry]) -> Iterator[Problem]:
    owed = {(entry.region, entry.id): entry.waiting + entry.retrying for entry in entries}
    for name, destination in config.destinations.items():
        if not destination.enabled:
            waiting = owed.get((destination.region, name), 0)
            yield Problem(
                ("destinations", name, "enabled"),
                "is false: what comes is filtered (rule `disabled`), not kept, and so is what waits "
                f"({waiting} events now); `postroad hold` keeps it instead",
            )


def _private(config: Config) -> Iterator[Problem]:
    for name, destination in config.destinations.items():
        settings = destination.settings
        if settings is None:
            continue
        for field in msgspec.structs.fields(settings):
            url = getattr(settings, field.name)
            host = (url.parsed.host or "") if isinstance(url, Url) else ""
            kind = "loopback" if _LOCAL.fullmatch(host) else forbidden(host)
            if kind == METADATA:
                yield Problem(("destinations", name, field.encode_name), f"{host} is {kind} and will never be called")
            elif isinstance(url, Url) and not destination.allow_private and kind not in {None, NO_ADDRESS}:
                message = f"{url.place} is {kind} and will not be called; `allow_private = true` lets it"
                yield Problem(("destinations", name, field.encode_name), message)


def _short_keys(config: Config) -> Iterator[Problem]:
    for name, source in config.sources.items():
        for setting, keys in source.written_keys.items():
            if any(len(key) < SHORTEST_KEY for key in keys):
                message = f"has fewer than {SHORTEST_KEY} characters and can be guessed; `postroad keys new` makes one"
                yield Problem(("sources", name, setting), message)


def _open_keys(config: Config) -> Iterator[Problem]:
    for name, source in config.sources.items():
        for setting, keys in source.written_keys.items():
            if source.public is False and any(key.startswith(PUBLISHABLE) for key in keys):
                message = f"has a key that starts with `{PUBLISHABLE}`, for browsers, and the source is not `public`"
                yield Problem(
                    ("sources", name, setting), f"{message}: whoever finds the key is believed as your own app"
                )


def _former_ids(config: Config, entries: Sequence[DestinationEntry]) -> Iterator[Problem]:
    for name, destination in config.destinations.items():
        here = [entry for entry in entries if entry.region == destination.region]
        near = did_you_mean(destination.was, [entry.id for entry in here if entry.gone])
        if near and destination.was not in {entry.id for entry in here}:
            yield Problem(("destinations", name, "was"), f"is no destination that the data folder knows{near}")
