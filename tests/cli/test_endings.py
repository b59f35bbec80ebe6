"""How verbs end that run until somebody stops them: as processes of their own."""

import asyncio
import os
import signal
import sys

import pytest
from server import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENCE = 30


async def start(server, folder, *arguments, **pipes):
    """Start a verb; returns its process, and the files that it prints into."""
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "postroad", *arguments, "--config", str(server.config)),
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            # A shell's background job ignores Ctrl-C, and these tests with their children may be one.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **{"stdout": stdout, "stderr": stderr, **pipes},
        )
    return process, out, err


async def test_interrupted(server, tmp_path):
    """Ctrl-C ends a verb that follows the log with status 130 and without a word."""
    await server.send("interrupted-1")
    process, out, err = await start(server, tmp_path, "tail", "--from-start")

    async def printed():
        return out.stat().st_size > 0

    await until(printed, "tail printed the event")
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 130
    assert err.read_text() == ""


@pytest.mark.parametrize("verb", [("tail", "--from-start"), ("export",)])
async def test_a_closed_pipe(server, tmp_path, verb):
    """When whoever reads the output has gone, a verb ends without a word."""
    await server.send(f"closed-{verb[0]}")
    read, write = os.pipe()
    os.close(read)
    process, _, err = await start(server, tmp_path, *verb, stdout=write)
    os.close(write)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 1
    assert err.read_text() == ""
