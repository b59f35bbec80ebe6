"""A transform: the operator's own function from an event to an event, and the rules for what it may return.

    def shorten(event: dict) -> dict | None:
        event["properties"].pop("email_subject", None)
        return event

It gets the event as destinations get it and may change it in place. None means: not for this destination. It is called
again at every try, so it must be pure: the same event, the same answer. Integers keep all digits; other numbers
become Python's floats. What it may not do is change or lose `messageId` and `receivedAt`, or make `type` another
word than those of the API.
"""

import importlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from traceback import TracebackException
from types import TracebackType
from typing import Any, Final, NamedTuple

from postroad.contract.calls import TYPES
from postroad.contract.document import check_text
from postroad.contract.limits import EVENT_BYTES
from postroad.errors import UsageError

LARGEST: Final = 2 * EVENT_BYTES
"""Bytes that a transformed event may have."""

LONGEST_TRACE: Final = 4096

Function = Callable[[dict[str, Any]], Any]

_PLACE: Final = re.compile(r"(\w+(?:\.\w+)*):(\w+)")
_OURS: Final = ("messageId", "receivedAt")
_FRAMES: Final = 20
_LONGEST_WORDS: Final = 1024


class What(IntEnum):
    """What came of one call."""

    EVENT = 0
    NOTHING = 1
    WRONG = 2


class Made(NamedTuple):
    """`payload` is the new body of an EVENT, and of what is WRONG a sentence with its trace in UTF-8."""

    what: What
    payload: bytes


def find_function(place: str) -> Function:
    """Import and return the function at `package.module:function`. Raises `UsageError`."""
    named = _PLACE.fullmatch(place)
    if named is None:
        raise UsageError(f"{place!r} is not a place such as 'package.module:function'")
    module, name = named.groups()
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        missing = f"there is no module {error.name!r}, neither installed nor in the folder `server.transform_path`"
        raise UsageError(f"{place!r} can't be imported: {missing}") from error
    except BaseException as error:
        raise UsageError(f"{place!r} can't be imported: {_said(error)}") from error
    if found is None:
        raise UsageError(f"{place!r}: the module has no {name!r}")
    if not callable(found) or inspect.iscoroutinefunction(found):
        raise UsageError(f"{place!r} is not a plain function")
    function: Function = found
    return function


def call(function: Function, body: bytes) -> Made:
    """Call a transform with one event. Never raises, whatever the function does."""
    try:
        event = json.loads(body)
        ours = {name: event.get(name) for name in _OURS}
        returned = function(event)
        return Made(What.NOTHING, b"") if returned is None else _checked(returned, ours)
    except BaseException as error:  # noqa: BLE001 -- SystemExit included: one event must not end the others
        return _wrong(f"the transform raised {_said(error)}", _trace(error))


def _checked(returned: object, ours: Mapping[str, object]) -> Made:
    if not isinstance(returned, dict):
        return _wrong(f"the transform returned {_article(type(returned).__name__)}; it must return the event, or None")
    fault = _fault(returned, ours)
    if fault:
        return _wrong(f"the transform {fault}")
    try:
        body = json.dumps(returned, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return _wrong(f"what the transform returned can't be written as JSON: {_said(error)}")
    if len(body) > LARGEST:
        return _wrong(f"what the transform returned has {len(body)} bytes of JSON; the limit is {LARGEST}")
    problem = check_text(body)
    return _wrong(f"what the transform returned: {problem.message}") if problem else Made(What.EVENT, body)


def _fault(event: dict[str, Any], ours: Mapping[str, object]) -> str:
    """Say what the members that we need are not, nothing when they are right."""
    for name, value in ours.items():
        if event.get(name) != value:
            return f"changed or lost {name}, which it may not"
    if event.get("type") not in list(TYPES):  # a list: what came may not be hashable
        return f"made the event's type none of {', '.join(TYPES)}"
    named = event.get("event")
    if event["type"] == "track" and not (isinstance(named, str) and named.strip()):
        return "left a track event without a name"
    return ""


def _wrong(sentence: str, trace: str = "") -> Made:
    text = f"{sentence}\n{trace[-LONGEST_TRACE:]}".rstrip()
    return Made(What.WRONG, text.encode("utf-8", "backslashreplace"))


def _said(error: BaseException) -> str:
    """Say an error in one line."""
    try:
        words = " ".join(str(error).split())[:_LONGEST_WORDS]
    except BaseException:  # noqa: BLE001 -- an exception of theirs may not even have words
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _trace(error: BaseException) -> str:
    """Write where it was raised, without the frame of ours that called it."""
    below: TracebackType | None = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(TracebackException(type(error), error, below, limit=-_FRAMES).format())


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
