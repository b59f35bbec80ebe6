"""`postroad serve`: one process a role, started again when it dies, stopped together."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import structlog

from postroad.runtime.process import SUPERVISED
from postroad.runtime.reloading import RELOAD, Reloading, on_hangup
from postroad.runtime.service_manager import STOPPING, notify

EXIT_CONFIG: Final = 2
"""A role that ends with this status would end the same way again, until somebody mends the configuration."""

_AGAIN_AFTER = 1.0
_SLACK = 5.0


class Supervisor:
    """Runs roles as child processes with the same configuration."""

    def __init__(self, roles: Sequence[str], arguments: Sequence[str], reloading: Reloading) -> None:
        """`arguments` follow `serve --roles ROLE`."""
        self._roles = roles
        self._arguments = arguments
        self._reloading = reloading
        self._grace = reloading.config.server.shutdown_grace
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._stop = asyncio.Event()
        self._failed = 0
        self._logger = structlog.get_logger("postroad.supervisor")

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit status. At SIGHUP roles read a good configuration again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._begin_to_stop)
        on_hangup(self._reloading.begin, self._stop)
        self._reloading.tell = self._hand_on
        await asyncio.gather(*(self._keep(role) for role in self._roles))
        return self._failed

    def _begin_to_stop(self) -> None:
        if not self._stop.is_set():
            notify(STOPPING)
        self._stop.set()

    async def _keep(self, role: str) -> None:
        began = False  # a configuration that is bad only later was broken behind its back: no reason to stop the others
        while not self._stop.is_set():
            status = await self._run_once(role)
            if self._stop.is_set():
                return
            began = began or status != EXIT_CONFIG
            if not began:
                self._failed = status
                self._stop.set()
                return
            self._logger.error("a process ended and is started again", role=role, status=status)
            await _either(self._stop.wait(), asyncio.sleep(_AGAIN_AFTER))

    async def _run_once(self, role: str) -> int:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # no file in the current folder is taken for a module
            "-m",
            "postroad",
            "serve",
            "--roles",
            role,
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,  # its end tells the child that we are gone
            env={**os.environ, SUPERVISED: "1"},
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the children in order
        )
        self._children[role] = child
        await _either(child.wait(), self._stop.wait())
        if child.returncode is None:
            child.terminate()
            await _either(child.wait(), asyncio.sleep(self._grace + _SLACK))
        if child.returncode is None:
            self._logger.error("a process did not stop in time and is killed", role=role)
            child.kill()
        return await child.wait()

    def _hand_on(self) -> None:
        for child in self._children.values():
            if child.returncode is None and child.stdin is not None:
                child.stdin.write(RELOAD)


async def _either(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
