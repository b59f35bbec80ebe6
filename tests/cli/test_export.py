"""What an export leaves in its file when the disk gets full."""

import resource

import pytest

from postroad.cli import export


def test_a_disk_that_gets_full(tmp_path):
    """Lines that find no room leave no part of themselves: whoever goes on later adds to whole lines."""
    file = tmp_path / "events.ndjson"
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    with file.open("xb", buffering=0) as goal:
        export._put(goal, b"one\ntwo\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (12, unlimited[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                export._put(goal, b"three\nfour\n")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert file.read_bytes() == b"one\ntwo\n"
