"""Whether the data folder is free: asked before anything is started, so that the answer is one sentence."""

import asyncio
from collections.abc import Sequence

from postroad.cli.ports import LOOK_EVERY, PATIENCE
from postroad.clock import Clock
from postroad.config import Config
from postroad.errors import StoreLocked
from postroad.storage.files import is_locked
from postroad.storage.layout import region_files


def check_unlocked(config: Config, roles: Sequence[str], clock: Clock) -> None:
    """Raise `StoreLocked` when another process writes what these roles would write."""
    for name in config.regions:
        files = region_files(config.server.data_dir, name)
        locks = {"ingest": files.log_lock, "delivery": files.ledger_lock}
        for role in roles:
            lock = locks[role]
            until = clock.monotonic() + PATIENCE
            while is_locked(lock):
                if clock.monotonic() >= until:
                    raise StoreLocked(f"{lock}: another Postroad process is writing here; stop it first")
                asyncio.run(clock.sleep(LOOK_EVERY))
