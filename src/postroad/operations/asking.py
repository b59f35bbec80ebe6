"""What an operation is given: a typed request, read alike from the flags of the command line and from the admin API,
and the regions that it is about.
"""

import contextlib
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar

import msgspec

from postroad.clock import MICROSECONDS, Clock, read_moment
from postroad.config.problems import did_you_mean
from postroad.config.units import read_duration
from postroad.errors import UsageError
from postroad.ledger.base import Ledger
from postroad.regions import Region

if TYPE_CHECKING:  # every verb reads requests, and only the delivery process delivers
    from postroad.delivery.engine import Engine

MOST: Final = 1000
"""The longest list that one answer or one request has."""
LARGEST: Final = (1 << 63) - 1
"""The largest number that the stores can hold."""

_LONGEST_TIME: Final = 64
"""Characters of a time; ISO 8601 with all its parts has 32."""

_EXPECTED: Final = re.compile(r"Expected `([^`]*)`(.*?)(?:, got `([^`]*)`)?")
_MEMBER: Final = re.compile(r"Object (missing required|contains unknown) field `([^`]*)`")
_KINDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}

TIMES: Final = frozenset({"since", "until", "from", "to"})
"""What a time is called in a request, whichever it is."""

Number = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Moment = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
"""Microseconds since 1970 UTC; given as those, as ISO 8601, or as a duration ago such as `1h`."""
Limit = Annotated[int, msgspec.Meta(ge=1, le=MOST)]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of every request."""


class Nothing(Asked, frozen=True):
    """The request of an operation that needs to know nothing."""


Wanted = TypeVar("Wanted", bound=Asked)


class DeliveredRegion(NamedTuple):
    """A region in the process that delivers its events: read, its ledger to be written, and who is told."""

    region: Region
    ledger: Ledger
    engine: "Engine"


Regions = Mapping[str, Region]
"""Regions by name, as any process reads them."""
Delivered = Mapping[str, DeliveredRegion]
"""Regions by name, in the process that delivers their events."""
Kept = TypeVar("Kept")


class WrongField(UsageError):
    """A member of a request is wrong. `field` is its name in the API, `why` a sentence about it."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class NotThere(UsageError):
    """What was named is not there, or not any more."""


def flag(metavar: str, summary: str, name: str = "") -> msgspec.Meta:
    """Return what the command line shows of a field, whose flag has its name in the API unless `name` is given."""
    return msgspec.Meta(description=summary, extra={"metavar": metavar, "name": name})


def chosen(regions: Mapping[str, Kept], name: str | None) -> Mapping[str, Kept]:
    """Return the one region of this name, or all when it is None. Raises `UsageError` when there is none."""
    if name is None:
        return regions
    if name not in regions:
        raise UsageError(f"there is no region {name!r}, only {', '.join(regions)}{did_you_mean(name, regions)}")
    return {name: regions[name]}


def read(wanted: type[Wanted], given: Any, clock: Clock, *, strict: bool = True) -> Wanted:
    """Return the request that was given as JSON's values; where not `strict`, numbers may be texts.

    Raises `WrongField` where one member is wrong, `UsageError` for what is wrong as a whole.
    """
    if isinstance(given, Mapping):
        given = {name: _read_member(name, value, clock) for name, value in given.items()}
    try:
        return msgspec.convert(given, wanted, strict=strict)
    except msgspec.ValidationError as error:
        raise _in_words(str(error)) from error


def read_json(wanted: type[Wanted], body: bytes, clock: Clock, **more: Any) -> Wanted:
    """Return what `read` does, of a JSON text, which may be empty; `more` are members that are known from elsewhere."""
    try:
        given = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(str(error)) from error
    return read(wanted, given | more if isinstance(given, dict) else given, clock)


def read_time(text: str, clock: Clock) -> int:
    """Return microseconds for ISO 8601 (UTC unless it says otherwise), for a duration ago such as `1h`, or for
    microseconds. Raises `UsageError`.
    """
    for read_as in (_microseconds, partial(_ago, clock=clock), read_moment) if len(text) <= _LONGEST_TIME else ():
        with contextlib.suppress(ValueError):
            return read_as(text)
    raise UsageError(f"{text[:80]!r} is not a time such as 2024-01-15T10:30:00Z, nor a duration such as 1h or 7d")


def _in_words(fault: str) -> UsageError:
    """Return the error that a fault of msgspec is."""
    why, _, place = fault.partition(" - at `$.")
    if found := _MEMBER.fullmatch(why):
        return WrongField(found[2], "is required" if found[1] == "missing required" else "is not known")
    if found := _EXPECTED.fullmatch(why):
        kinds = [_KINDS.get(kind, kind) for kind in found[1].split(" | ") if kind != "null"]
        bound = found[2].removesuffix(".0")
        why = f"must be {' or '.join(kinds)}{bound}" + (f", not {_KINDS.get(found[3], found[3])}" if found[3] else "")
    return WrongField(place.rstrip("`"), why) if place else UsageError(why)


def _microseconds(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a number of microseconds has digits only")
    return int(text)


def _ago(text: str, clock: Clock) -> int:
    return clock.now() - round(read_duration(text) * MICROSECONDS)


def _read_member(name: str, value: Any, clock: Clock) -> Any:
    if name not in TIMES or not isinstance(value, str):
        return value
    try:
        return read_time(value, clock)
    except UsageError as error:
        raise WrongField(name, str(error)) from None
