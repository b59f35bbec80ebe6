"""The `integrations` member and its one question: does this event want that destination?

Missing, null or `{}` means every destination. A destination's own name decides when its value is a boolean,
or an object (options: yes); any other value is as if absent. Then `All` (or `all`, which one official client
writes) decides: missing or null means yes, a boolean means itself, anything else means no.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec
from msgspec import Raw


class _Holder(msgspec.Struct):
    integrations: Raw = Raw(b"null")


_HOLDER = msgspec.json.Decoder(_Holder)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_BY_FIRST_BYTE = {b"true"[0]: True, b"false"[0]: False, b"{"[0]: True}
_LONGEST_CACHED = 512


def is_wanted(body: bytes, names: tuple[str, ...]) -> bool:
    """Tell whether the event with this stored JSON goes to a destination that answers to `names`."""
    raw = bytes(_HOLDER.decode(body).integrations)
    return _cached(raw, names) if len(raw) <= _LONGEST_CACHED else _decide(raw, names)


def _decide(raw: bytes, names: tuple[str, ...]) -> bool:
    try:
        return wants(_OBJECT.decode(raw), names)
    except msgspec.ValidationError:
        return True


_cached = lru_cache(maxsize=1024)(_decide)  # the events of an app say the same again and again


def parse_integrations(body: bytes) -> Mapping[str, Raw]:
    """Return the `integrations` of a stored event's JSON; empty when there are none or they aren't an object."""
    try:
        return _OBJECT.decode(_HOLDER.decode(body).integrations)
    except msgspec.ValidationError:
        return {}


def wants(integrations: Mapping[str, Raw], names: Iterable[str]) -> bool:
    """Tell whether an event with these integrations goes to a destination that answers to `names`.

    The first of `names` that the event mentions in a way that decides, decides.
    """
    for name in names:
        value = integrations.get(name)
        if value is not None:
            decision = _BY_FIRST_BYTE.get(memoryview(value)[0])
            if decision is not None:
                return decision
    for name in ("All", "all"):
        value = integrations.get(name)
        if value is not None and bytes(value) != b"null":
            return bytes(value) == b"true"
    return True
