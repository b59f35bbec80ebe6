"""The types of sources and destinations by name: ours in a table, those of other packages by entry point.

Another package adds a type with an entry point in the group `postroad.destinations` (or `postroad.sources`):
`pager = "my_package.pager:Pager"`. A name of ours can't be taken over.
"""

import contextlib
import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Final, cast

import msgspec

from postroad.config.declared import settings_of as declared_settings
from postroad.config.model import Destination
from postroad.config.problems import Origin, Problem, did_you_mean
from postroad.config.reading import read_settings
from postroad.config.reference import Catalogue
from postroad.destinations.base import DestinationType
from postroad.errors import ConfigError, UsageError

DESTINATIONS: Final[Mapping[str, str]] = {
    "console": "postroad.destinations.console:Console",
    "customerio": "postroad.destinations.customerio:Customerio",
    "file": "postroad.destinations.file:File",
    "mixpanel": "postroad.destinations.mixpanel:Mixpanel",
    "parquet": "postroad.destinations.parquet:Parquet",
    "postgres": "postroad.destinations.postgres:Postgres",
    "segment": "postroad.destinations.segment:Segment",
    "webhook": "postroad.destinations.webhook:Webhook",
    "webhook_batch": "postroad.destinations.webhook_batch:WebhookBatch",
}
SOURCES: Final[Mapping[str, str]] = {"api": "postroad.sources.api:Api"}
ENTRY_POINTS: Final = "postroad.destinations"

_OURS: Final[Mapping[str, Mapping[str, str]]] = {"sources": SOURCES, "destinations": DESTINATIONS}


def destination_types() -> Sequence[str]:
    """Return the names of all types of destinations that can be configured, ours first."""
    return list(_types("destinations"))


def load(type_name: str) -> DestinationType:
    """Return the class of a type of destination; only now is its module imported.

    Raises `UsageError` when there is no such type (naming the nearest) or it can't be imported.
    """
    try:
        return cast("DestinationType", _load("destinations", type_name))
    except UsageError as error:
        raise UsageError(f"{type_name!r} {error}") from error


def settings_type(section: str, type_name: str) -> type[msgspec.Struct]:
    """Return the `Settings` of a type; `section` is `sources` or `destinations`.

    Raises `UsageError` with a sentence without its subject, as `postroad.config.Types` has it.
    """
    settings: type[msgspec.Struct] = _load(section, type_name).Settings
    return settings


def catalogue() -> Catalogue:
    """Return the settings of all types of sources and destinations, ours first, but for those that can't be loaded."""
    found: dict[str, dict[str, type[msgspec.Struct]]] = {}
    for section in _OURS:
        known = found.setdefault(section, {})
        for name in _types(section):
            with contextlib.suppress(UsageError):
                known[name] = settings_type(section, name)
    return found


def settings_of(type_name: str, raw: Mapping[str, object], path: str) -> msgspec.Struct:
    """Read the settings of a type of destination apart from any configuration.

    Raises `ConfigError` with all problems, each starting with its place: `destinations.crm.url: is required`.
    """
    place, problems = tuple(path.split(".")), list[Problem]()
    try:
        wanted = settings_type("destinations", type_name)
    except UsageError as error:
        raise ConfigError([f"{path}.type: {error}"]) from error
    shared = [setting.key for setting in declared_settings(Destination)]
    settings = read_settings(wanted, raw, place, problems, owner=f"type `{type_name}`", beside=shared)
    if settings is None or problems:
        raise ConfigError(Origin().sentences(problems))
    return settings


def _load(section: str, type_name: str) -> Any:
    known = _types(section)
    place = known.get(type_name)
    if place is None:
        near = did_you_mean(type_name, known) or f"; there is {', '.join(f'`{name}`' for name in known)}"
        raise UsageError(f"is not a type of {section.removesuffix('s')}{near}")
    module, _, name = place.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"can't be loaded from {place}: {error}") from error


def _types(section: str) -> Mapping[str, str]:
    ours = _OURS[section]
    others = {point.name: point.value for point in entry_points(group=f"postroad.{section}")}
    return {**ours, **{name: others[name] for name in sorted(others.keys() - ours.keys())}}
