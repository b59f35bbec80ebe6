"""A program: serves with few descriptors left while more clients come than those are for, and says how that went."""

import asyncio
import os
import resource
import sys
from pathlib import Path

import uvloop
from served import CALL, serving

from postroad.web.wire import Bounds

CLIENT = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(200)]
print("connected", flush=True)
sys.stdin.read()
"""
LEFT = 40


async def main():
    """Print the status of a call that comes afterwards, and whether little was done while there was no descriptor."""
    async with serving(bounds=Bounds(4000, 4000)) as served:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + LEFT, hard))
        client = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            CLIENT,
            str(served.port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await client.stdout.readline()
        while not served.tally.made_room["descriptors"]:
            await asyncio.sleep(0.01)
        before = sum(os.times()[:2])
        await asyncio.sleep(0.5)
        busy = sum(os.times()[:2]) - before
        client.stdin.close()
        await client.wait()
        [answer] = await served.ask(CALL % 1)
        print(answer.status, busy < 0.25)  # noqa: T201  # what the test reads


if __name__ == "__main__":
    uvloop.run(main())
