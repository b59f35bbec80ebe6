"""How many files and sockets this process may have open."""

import contextlib
import fcntl
import os
import resource
from typing import Final

_ENOUGH: Final = 1 << 20
"""More than anything here asks for; some systems say that there is no limit, and then refuse that."""
_TABLE: Final = 1 << 15
"""As many as are ever open at once; of a smaller number there can't be more."""


def raise_limit() -> None:
    """Let the process open as many as it may: the soft limit is often 1,024 for programs that use `select`.

    The system's table of them grows at once: whenever it doubles later, every 64th, 128th, 256th connection, Linux
    makes a process with threads wait for 10 to 20 ms.
    """
    _raise_limit()
    with contextlib.suppress(OSError):
        os.close(fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, min(descriptors(), _TABLE) - 1))


def _raise_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return  # as it is: what is bounded by it asks for it


def descriptors() -> int:
    """Return how many it may have open now, at most a million."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else min(soft, _ENOUGH)
