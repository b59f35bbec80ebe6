"""The abuse suite runs, and what must hold on any machine, however busy, holds: nobody well-behaved is refused."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.full
async def test_every_attack_in_short():
    """Each attack for a second against a real server: the well-behaved source is never refused, the server's memory
    stays within 200 MiB of idle, and the attacker sent what it meant to.
    """
    words = ("-m", "bench.abuse", "--seconds", "1")
    child = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = (text.decode() for text in await child.communicate())
    assert child.returncode in {0, 1}, errors
    names = ["no attack, but 64 busy clients", "crafted ids", "gzip without key", "gzip with the browser key"]
    names += ["long Forwarded", "many problems", "idle connections", "bodies without key", "guessed keys"]
    assert re.findall(r"^(?! )(.+)$", output, re.MULTILINE) == names
    assert re.findall(r"(\d+) refused$", output, re.MULTILINE) == ["0"] * 2 * len(names)
    assert all(float(grown) < 200 for grown in re.findall(r"\(([+-]\d+)\)$", output, re.MULTILINE))
    assert "attacker: 0 requests" not in output
