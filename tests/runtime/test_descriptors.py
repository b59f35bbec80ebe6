"""A process may open as many descriptors as it needs, and doesn't wait for the system while it opens them."""

import resource
import subprocess
import sys

LOOK = """
import resource
from pathlib import Path
from postroad.runtime.descriptors import descriptors, raise_limit
raise_limit()
[size] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("FDSize")]
print(descriptors(), size)
"""


def test_the_limit_is_raised_and_the_table_has_room():
    """From a soft limit of 256 all that the hard one lets; the table is as large as it ever gets, before the first."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)),
    )
    may, size = map(int, done.stdout.split())
    assert may == min(hard, 1 << 20)
    assert size >= min(may, 1 << 15)
