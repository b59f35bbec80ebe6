"""The official clients as programs: what they are called, how each is run, and the events they send."""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from postroad.contract.email import Kind

HERE: Final = Path(__file__).parent
NODE_FOLDER: Final = HERE / "node"
MODULES: Final = NODE_FOLDER / "node_modules"
PATIENCE: Final = 60.0

PYTHON: Final = ("customerio-cdp-analytics", "segment-analytics-python", "rudder-sdk-python")
NODE: Final = (
    "@customerio/cdp-analytics-node",
    "@segment/analytics-node",
    "@rudderstack/rudder-sdk-node",
    "customerio-node",
    "customerio-node strict",
)
SERVER_SIDE: Final = (*PYTHON, *NODE)
JAVA: Final = ("com.segment.analytics.java:analytics", "com.rudderstack.sdk.java.analytics:analytics")
JAVA_FOLDER: Final = HERE / "java"
JARS: Final = JAVA_FOLDER / "jars"

TEXTS: Final = {"link_url": "https://example.com/pay?invoice=7&lang=en", "list_name": "Weekly, with ü and 🎉"}
"""Values of properties that are harder to carry than others."""


def email_events(run: str) -> list[dict[str, Any]]:
    """Return each email event, with every property and a back-dated time; `email_id` tells them apart."""
    return [
        {
            "userId": f"user_{run}",
            "event": kind.event,
            "timestamp": f"2024-01-15T10:30:{kind:02}.000Z",
            "properties": {name: TEXTS.get(name, f"some {name}") for name in kind.properties.__struct_fields__}
            | {"email_id": f"{run}-{kind}"},
            "context": {"traits": {"email": "user@example.com"}},
            "integrations": {"All": False, "Archive": True},
        }
        for kind in Kind
    ]


def new_run() -> str:
    """Return a word that no other run has."""
    return uuid.uuid4().hex[:12]


def need(there: object, what: str) -> None:
    """Skip with a reason when something that the machine should have is missing; where CI runs, fail."""
    if not there:
        outcome = pytest.fail if os.environ.get("CI") else pytest.skip
        outcome(f"{what} is missing")


def install_node_clients() -> None:
    """Install what `package-lock.json` names, once, however many test processes ask at the same time."""
    need(shutil.which("node") and shutil.which("npm"), "Node with npm")
    mark = MODULES / ".package-lock.json"
    with (NODE_FOLDER / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=NODE_FOLDER, check=True, capture_output=True)


def install_java_clients() -> None:
    """Fetch what `pom.xml` names, once, however many test processes ask at the same time."""
    if not (shutil.which("java") and shutil.which("mvn")):  # golden requests of theirs are in every run
        pytest.skip("a JDK with Maven is missing")
    mark = JARS / "complete"
    with (JAVA_FOLDER / "pom.xml").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            fetch = ["mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", f"-DoutputDirectory={JARS}"]
            fetched = subprocess.run(fetch, cwd=JAVA_FOLDER, check=False, capture_output=True, text=True)
            if fetched.returncode:
                pytest.skip(f"Maven can't fetch the Java clients: {fetched.stdout[-300:]}")
            mark.touch()


def command(client: str) -> Sequence[str]:
    """Return the program that runs a client; those for Node and Java are installed first."""
    if client in PYTHON:
        return sys.executable, str(HERE / "drive.py")
    if client in JAVA:
        install_java_clients()
        return "java", "-cp", f"{JARS}/*", str(JAVA_FOLDER / "Drive.java")
    install_node_clients()
    return "node", str(NODE_FOLDER / "drive.mjs")


async def send(
    client: str,
    host: str,
    key: str,
    events: Sequence[dict[str, Any]],
    *,
    retries: int = 2,
    batch: int = 100,
    gzip: bool = False,
    patience: float = PATIENCE,
) -> list[str]:
    """Let a client send the events, wait until it has finished, and return what it says it gave up, and why.

    `batch` is how many events it may put in one request, `retries` how often it may try again, and `patience` for
    how many seconds it may do so when told when to come back.
    """
    task = {
        "client": client,
        "host": host,
        "key": key,
        "events": list(events),
        "retries": retries,
        "batch": batch,
        "gzip": gzip,
        "patience": patience,
    }
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command(client), stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        told, complained = await asyncio.wait_for(child.communicate(json.dumps(task).encode()), PATIENCE)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 0, complained.decode()
    return list(json.loads(told))
