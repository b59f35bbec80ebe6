"""One official Python client, run as an app runs it: reads a task from stdin, sends, prints its errors as JSON.

A task is what `official.py` writes: client, host, key, events, and the settings of the client itself.
"""

import json
import sys
from datetime import datetime
from typing import Any


def make_client(name: str, task: dict[str, Any], errors: list[str]) -> Any:
    """Return a client with its settings; what it gives up goes to `errors`."""
    common = {
        "host": task["host"],
        "max_retries": task["retries"],
        "upload_size": task["batch"],
        "upload_interval": 0.2,
        "gzip": task["gzip"],
        "on_error": lambda error, _batch: errors.append(str(error)),
    }
    if name == "customerio-cdp-analytics":
        from customerio.analytics import Client  # noqa: PLC0415  # each run loads one client only
    elif name == "segment-analytics-python":
        from segment.analytics import Client  # noqa: PLC0415

        common["max_rate_limit_duration"] = task["patience"]
    else:
        from rudderstack.analytics.client import Client  # noqa: PLC0415
    return Client(task["key"], **common)


def main() -> None:
    """Send the task's events, wait until the client has nothing left, and print what it gave up."""
    task = json.load(sys.stdin)
    errors: list[str] = []
    client = make_client(task["client"], task, errors)
    for event in task["events"]:
        client.track(
            event["userId"],
            event["event"],
            event.get("properties"),
            context=event.get("context"),
            timestamp=datetime.fromisoformat(event["timestamp"]) if "timestamp" in event else None,
            integrations=event.get("integrations"),
        )
    client.flush()
    client.join()
    json.dump(errors, sys.stdout)


if __name__ == "__main__":
    main()
