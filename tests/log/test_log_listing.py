"""What a look at a log costs does not grow with its segments."""

import os

import pytest

from postroad.log.embedded import blocks
from postroad.log.embedded.blocks import BlockFiles
from postroad.log.embedded.segments import segment_at

LONG_AGO = 10**18
"""In nanoseconds: 2001."""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with two segments, and what counts how often it is listed and files are measured."""
    found = BlockFiles(tmp_path, 0)
    counted = {"listed": 0, "measured": 0}
    for name, what in (("list_segments", "listed"), ("size_of", "measured")):
        monkeypatch.setattr(blocks, name, _counted(getattr(blocks, name), counted, what))
    found.counted = counted
    for first in range(5):
        segment_at(tmp_path, first).path.write_bytes(b"x" * (first + 1))
    return found


def _counted(function, counted, what):
    def call(*args):
        counted[what] += 1
        return function(*args)

    return call


def test_the_folder_is_listed_when_it_has_changed(files, tmp_path):
    """Not before: a look in between costs the same for any number of segments."""
    os.utime(tmp_path, ns=(LONG_AGO, LONG_AGO))
    for _ in range(10):
        files.refresh()
    assert (files.counted["listed"], len(files.segments)) == (1, 5)
    segment_at(tmp_path, 7).path.touch()
    files.refresh()
    assert (files.counted["listed"], len(files.segments)) == (2, 6)
    segment_at(tmp_path, 0).path.unlink()
    files.refresh()
    assert [segment.first for segment in files.segments] == [1, 2, 3, 4, 7]


def test_after_a_close_the_folder_is_listed_again(files, tmp_path):
    """What was forgotten is looked for: a log whose segments nobody looks for would count as gone."""
    os.utime(tmp_path, ns=(LONG_AGO, LONG_AGO))
    files.refresh()
    files.close()
    files.refresh()
    assert len(files.segments) == 5


def test_a_change_in_the_same_moment_is_seen(files, tmp_path):
    """What comes so soon after a look that the folder's time is still the same is seen by the next one."""
    for first in range(10, 60):
        segment_at(tmp_path, first).path.touch()
        files.refresh()
        assert files.segments[-1].first == first


def test_what_is_not_written_any_more_is_measured_once(files, tmp_path):
    """Sizes of old segments are kept; the newest two are looked at each time."""
    files.refresh()
    assert (files.size(), files.counted["measured"]) == (15, 5)
    segment_at(tmp_path, 4).path.write_bytes(b"x" * 10)
    assert (files.size(), files.counted["measured"]) == (20, 7)
