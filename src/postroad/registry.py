"""The types of destinations by name: ours in a table, those of other packages by entry point.

Another package adds a type with an entry point in the group `postroad.destinations`:
`pager = "my_package.pager:Pager"`. A name of ours can't be taken over.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Final, cast

import msgspec

from postroad.config.problems import did_you_mean
from postroad.destinations.base import DestinationType
from postroad.errors import ConfigError, UsageError
from postroad.secret import dec_hook

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
ENTRY_POINTS: Final = "postroad.destinations"


def destination_types() -> Sequence[str]:
    """Return the names of all types that can be configured, ours first."""
    return [*DESTINATIONS, *sorted(_others().keys() - DESTINATIONS.keys())]


def load(type_name: str) -> DestinationType:
    """Return the class of a type; only now is its module imported.

    Raises `UsageError` when there is no such type (naming the nearest) or it can't be imported.
    """
    place = DESTINATIONS.get(type_name) or _others().get(type_name)
    if place is None:
        raise UsageError(f"{type_name!r} is not a type of destination{did_you_mean(type_name, destination_types())}")
    module, _, name = place.partition(":")
    try:
        return cast("DestinationType", getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the type {type_name!r} can't be loaded from {place}: {error}") from error


def settings_of(type_name: str, raw: Mapping[str, object], path: str, *, shared: Iterable[str] = ()) -> msgspec.Struct:
    """Check what the configuration says of one destination and return it as the type's own `Settings`.

    `raw` holds only the settings of the type, `shared` names those that every destination has (they are
    suggested for a misspelled one). Raises `ConfigError` with all problems, each starting with its place:
    `destinations.crm.url: is required`.
    """
    try:
        wanted = load(type_name).Settings
    except UsageError as error:
        raise ConfigError([f"{path}.type: {error}"]) from error
    fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
    problems = [
        f"{path}.{key}: is not a setting of type {type_name!r}{did_you_mean(key, [*fields, *shared])}"
        for key in raw
        if key not in fields
    ]
    for key, field in fields.items():
        if key in raw:
            problems += _problem(raw[key], field.type, f"{path}.{key}")
        elif field.required:
            problems.append(f"{path}.{key}: is required")
    if problems:
        raise ConfigError(problems)
    try:
        return msgspec.convert(raw, wanted, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        # A rule about several fields, asked only when each is right; it names its field (see DestinationType).
        raise ConfigError([f"{path}.{error}"]) from error


def _problem(value: object, wanted: Any, path: str) -> Sequence[str]:
    try:
        msgspec.convert(value, wanted, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        said, _, inner = str(error).partition(" - at `$")
        return [f"{path}{inner.removesuffix('`')}: {said[:1].lower()}{said[1:]}"]
    return []


def _others() -> Mapping[str, str]:
    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
