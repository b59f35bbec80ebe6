"""Verbs called in the test's own process: a process for each would take most of the time."""

import asyncio
import io
import json
import sys
from contextlib import contextmanager

import pytest
import pytest_asyncio
from server import KEY, Server, until

from postroad.cli import main
from postroad.rejections import Rejection, Rejections
from postroad.testing.receiver import Receiver, answer

EMAIL = ("--event", "Email Delivered", "--user", "u1", "--property", "email_id=e1", "--property", "email_subject=Hi")

DYING = set()
"""The message ids that `hook` refuses."""


class Terminal(io.StringIO):
    """An input that is a terminal, at which somebody types."""

    def isatty(self):
        return True


class Verbs:
    """Calls the command line as its program does, with pipes of its own, on one configuration.

    `email` is the options of an event that is right.
    """

    email = EMAIL

    def __init__(self, config=None, server=None):
        self.config = config
        self.server = server

    async def run(self, *arguments, stdin=b"", typed=None):
        """Run a verb to its end, beside this event loop; status, output, errors."""
        more = () if self.config is None else ("--config", str(self.config))
        return await asyncio.to_thread(call, [*arguments, *more], stdin, typed)

    async def rows(self, *arguments, status=0, stdin=b""):
        """Run a verb with --json, which must end with this status, and return its objects."""
        found, out, err = await self.run(*arguments, "--json", stdin=stdin)
        assert (found, err) == (status, "")
        return [json.loads(line) for line in out.splitlines()]

    async def complains(self, expected, *arguments, stdin=b""):
        """Run a verb that must fail, and return its one sentence."""
        status, out, err = await self.run(*arguments, stdin=stdin)
        assert (status, out) == (expected, ""), err
        assert "Traceback" not in err
        assert err.startswith("postroad: ")
        assert len(err.splitlines()) == 1
        return err

    async def send(self, *ids):
        """Send an event for each message id."""
        for name in ids:
            status, out, err = await self.run("send", "--key", KEY, "--message-id", name, *EMAIL)
            assert (status, out, err) == (0, f"200 {{}}; messageId {name}\n", "")

    async def send_dying(self, *ids):
        """Send events and wait until they are dead at `hook`; returns their offsets. One that it takes comes first: a
        destination that only ever refuses is left alone.
        """
        DYING.update(ids)
        await self.send(f"taken-{ids[0]}", *ids)
        return await self.dead(*ids)

    async def dead(self, *ids):
        """Wait until these are dead letters of `hook`; returns their offsets."""
        found = {}

        async def died():
            rows = await self.rows("dead", "list", "--destination", "hook", "--limit", "10000")
            found.update({row["message_id"]: row["offset"] for row in rows})
            return found.keys() >= set(ids)

        await until(died, f"{ids} are dead letters")
        return [found[name] for name in ids]


def call(arguments, stdin, typed):
    """Call the program with these arguments; status, output, errors."""
    given = io.TextIOWrapper(io.BytesIO(stdin)) if typed is None else Terminal(typed)
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with replaced(["postroad", *arguments], given, out, err), pytest.raises(SystemExit) as ended:
        main()
    out.flush()
    err.flush()
    return ended.value.code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode()


@contextmanager
def replaced(argv, stdin, stdout, stderr):
    """Give `sys` other arguments and pipes for a while."""
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.argv, sys.stdin, sys.stdout, sys.stderr = argv, stdin, stdout, stderr
    try:
        yield
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before


@pytest.fixture(scope="session")
def verbs():
    """Return what calls verbs on a configuration."""
    return Verbs


async def keep_rejection(file):
    """Keep, as an older server might have, a rejection that can be an event: the first of all."""
    rejections = Rejections.open(file)
    body = b'{"type":"track","userId":"u","event":"Was Rejected"}'
    assert await rejections.record([Rejection(1, "app", "not_json", (), "/v1/track", 52, "", body)]) == [1]
    await rejections.close()


def choosy(receiver):
    """Return the behaviour of refusing the events that are to die, and taking all others."""
    take, refuse = answer(200), answer(422, b"I do not take this")

    async def behave(writer):
        dies = json.loads(receiver.requests[-1].body)["messageId"] in DYING
        await (refuse if dies else take)(writer)

    return behave


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory):
    """A server with a destination that works, and one that refuses the events that are to die."""
    async with Receiver() as receiver:
        receiver.behaviour = choosy(receiver)
        server = Server(
            tmp_path_factory.mktemp("cli"),
            f'[destinations.file]\ntype = "file"\n[destinations.hook]\ntype = "webhook"\n'
            f'url = "{receiver.url}/very-secret-path"\nallow_private = true\n',
        )
        await keep_rejection(server.data / "us" / "rejections.db")
        await server.start()
        yield Verbs(server.config, server)
        assert await server.stop() == 0
