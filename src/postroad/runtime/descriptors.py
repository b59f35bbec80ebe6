"""How many files and sockets this process may have open."""

import resource
from typing import Final

_ENOUGH: Final = 1 << 20
"""More than anything here asks for; some systems say that there is no limit, and then refuse that."""


def raise_limit() -> None:
    """Let the process open as many as it may: the soft limit is often 1,024 for programs that use `select`."""
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
