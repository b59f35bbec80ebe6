"""The reference of all types of destinations: what each makes of the semantic email events, from their tables."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Final

from postroad.contract.email import Kind
from postroad.destinations.base import BatchLimits, DestinationType, EmailEvents, Sent

_MIB: Final = 1 << 20
_INTRODUCTION: Final = """\
# Destinations

What each type does with the six semantic email events: the name an event has there, the fields it fills, and by what a
duplicate is recognised. Delivery is at least once, so the last one matters: what stands there is a digest of region,
source and message id, or the bare id with `dedup_key = "message_id"`; our own sinks have the three side by side, and
the members of a `webhook_batch` are as they came. An event that came under another tool's name (an alias) keeps that
name where names are passed on. Any other event goes out under its own.

Settings are in [the reference of the configuration](configuration.md). Generated from `email_events` and `batch` of
each type.
"""


def reference(types: Mapping[str, DestinationType]) -> str:
    """Return `docs/reference/destinations.md`."""
    return _INTRODUCTION + "".join(
        f"\n## `{name}`\n\n{_summary(kind)}\n\n{_batches(kind.batch)}\n\n{_table(kind.email_events)}"
        for name, kind in types.items()
    )


def _summary(kind: DestinationType) -> str:
    module = inspect.getmodule(kind)
    said = (inspect.getdoc(module) or "").partition("\n\n")[0].partition(": ")[2]
    return f"{said[:1].upper()}{' '.join(said.split())[1:]}"


def _batches(limits: BatchLimits) -> str:
    if limits.max_events == 1:
        return "One event at a time."
    waits = f", after waiting up to {limits.linger:g} s for more" if limits.linger else ""
    same = " A batch that is sent again is the same batch." if limits.frozen else ""
    return f"Up to {limits.max_events:,} events or {_size(limits.max_bytes)} at a time{waits}.{same}"


def _size(count: int) -> str:
    return f"{count // _MIB} MiB" if count % _MIB == 0 else f"{count / 1000:g} kB"


def _table(table: EmailEvents) -> str:
    shared = _shared(table)
    rows = ["| event | there | duplicates by | more fields |", "|---|---|---|---|"]
    for kind in Kind:
        sent = table.get(kind)
        if sent is None:
            rows.append(f"| {kind.event} | not sent | | |")
        else:
            own = {there: here for there, here in sent.fields.items() if there not in shared}
            rows.append(f"| {kind.event} | `{sent.name}` | `{sent.key}` | {_fields(own)} |")
    return f"Of every event: {_fields(shared)}.\n\n" + "\n".join(rows) + "\n"


def _shared(table: Mapping[Kind, Sent | None]) -> Mapping[str, str]:
    """Return the fields that all events fill alike."""
    first, *others = [sent.fields for sent in table.values() if sent is not None]
    return {there: here for there, here in first.items() if all(fields.get(there) == here for fields in others)}


def _fields(fields: Mapping[str, str]) -> str:
    return ", ".join(_named(fields))


def _named(fields: Mapping[str, str]) -> Iterator[str]:
    for there, here in fields.items():
        yield f"`{there}`" if there == here else f"`{there}` from `{here}`"
