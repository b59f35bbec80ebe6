"""Copying a log beside the process that writes it."""

from pathlib import Path

from postroad.log.embedded.ends import read_ends, write_ends
from postroad.log.embedded.segments import list_segments
from postroad.storage.copying import Copying


def copy_log(source: Path, target: Path, copying: Copying) -> int | None:
    """Copy the segments, the oldest first, and return the number of the first one when others before it are gone
    meanwhile.
    """
    if not source.is_dir():
        return None
    target.mkdir(mode=0o700)
    before = read_ends(source)
    listed = list_segments(source)
    lost: int | None = None
    copied: list[Path] = []
    for place, segment in enumerate(listed):
        if copying.database(segment.path, target / segment.path.name):
            copied.append(target / segment.path.name)
            continue
        for path in copied:  # retention removes from the beginning: these are gone by now
            path.unlink()
        copied.clear()
        lost = listed[place + 1].first if place + 1 < len(listed) else segment.first
    after = read_ends(source)
    if before is not None and after is not None:
        # What is copied ends above where the log ended before, and begins where it begins now.
        write_ends(target, before._replace(first=after.first, retired=after.retired))
    return lost
