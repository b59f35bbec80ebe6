"""Transforms, good and bad, that tests run in a process of their own."""

import ctypes
import os
import signal
import sys
from pathlib import Path

NOTHING = object()


def same(event):
    """Return the event."""
    return event


def rename(event):
    """Change what may be changed."""
    event["event"] = event["properties"].pop("new_name", "Renamed")
    event["properties"]["added"] = {"zażółć": 1.5}
    return event


def only_orders(event):
    """Filter."""
    return event if event["event"].startswith("Order") else None


class Wordless(Exception):
    """An error that fails when it is asked what it is."""

    def __str__(self):
        """Fail."""
        raise self


def as_told(event):
    """Return what the event says, and loop where it says so."""
    told = event["properties"]["do"]
    if told == "loop":
        while True:
            pass
    if told == "raise":
        raise LookupError(f"no such key: {event['properties']['key']}")
    if told == "raise something odd":
        raise Wordless
    if told == "exit":
        sys.exit("enough")
    return None if told == "drop" else event


def stubborn(event):
    """Loop, and catch whatever comes."""
    while True:
        try:
            while True:
                event["again"] = True
        except BaseException:  # noqa: BLE001 -- the point
            event["again"] = False


def deaf(event):
    """Loop, and ignore the timers' signals."""
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while event:
        pass


def asleep(event):
    """Wait instead of working."""
    signal.pause()
    return event


def crash(_):
    """Break the interpreter."""
    ctypes.string_at(0)


def leave(_):
    """End the process without a word."""
    os._exit(7)


def leave_once(event):
    """End the process the first time, as if another program had."""
    mark = Path(event["properties"]["mark"])
    if mark.exists():
        return event
    mark.touch()
    os._exit(7)


def greedy(_):
    """Want more memory than it may have."""
    return [0] * (1 << 28)


def noisy(event):
    """Print, and read what is not its own."""
    sys.stdout.write("x" * 100_000)
    event["properties"]["read"] = sys.stdin.read()
    return event


def which_process(event):
    """Tell who is at work."""
    event["properties"]["pid"] = os.getpid()
    return event


def which_environment(event):
    """Tell what it can read of the environment."""
    event["properties"]["environment"] = sorted(os.environ)
    return event


async def asynchronous(event):
    """Be the wrong sort of function."""
    return event


def nonsense(event):  # noqa: C901, PLR0912 -- a list of what people get wrong
    """Return something that is no event."""
    match event["properties"]["do"]:
        case "list":
            return [event]
        case "text":
            return "event"
        case "true":
            return True
        case "no id":
            del event["messageId"]
        case "other id":
            event["messageId"] = "mine"
        case "other time":
            event["receivedAt"] = "2020-01-01T00:00:00.000Z"
        case "only properties":
            return {"properties": event["properties"]}
        case "other type":
            event["type"] = "purchase"
        case "unhashable type":
            event["type"] = ["track"]
        case "no name":
            event["event"] = " "
        case "an object":
            event["properties"] = {"x": NOTHING}
        case "a set":
            event["properties"] = {1, 2}
        case "not a number":
            event["properties"] = {"x": float("nan")}
        case "half a sign":
            event["properties"]["\ud83d"] = 1
        case "itself":
            event["properties"]["self"] = event
        case "too large":
            event["properties"]["x"] = "x" * 70_000
        case "too deep":
            for _ in range(70):
                event["properties"] = {"x": event["properties"]}
    return event
