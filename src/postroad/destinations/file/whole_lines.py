"""Cutting what a power cut left of lines: a torn last one, and stretches of NUL that were never written.

A file system may have made a file longer before it wrote the bytes: they read as NUL then, which no line of ours
has, also in front of bytes that did get there.
"""

import os
from pathlib import Path
from typing import Final

from postroad.storage.files import create_private, write_all

_CHUNK: Final = 64 * 1024
_TAIL: Final = 32 * 1024 * 1024
"""Bytes at the end that are searched for NUL: more than was ever written without an fsync."""


def cut_torn_lines(handle: int, path: Path) -> int:
    """Cut, in an open file of lines, what is no whole line, and return how many bytes that were.

    Whole lines stay as they are, those behind a damaged one too: then they are copied to a new file that takes
    the place of `path`, so that no moment is without them, and the open file is no longer the one that is there.
    Durable on return. Raises `OSError`.
    """
    size = os.fstat(handle).st_size
    end = _end_of_lines(handle, size)
    start, hole = _hole_in(handle, end)
    if hole < 0:
        if end < size:
            os.ftruncate(handle, end)
            os.fsync(handle)
        return size - end
    tail = _read(handle, start, end)
    kept = b"".join(line for line in tail[hole:].splitlines(keepends=True) if b"\0" not in line)
    if kept:
        _replace(handle, path, start + hole, kept)
    else:
        os.ftruncate(handle, start + hole)
        os.fsync(handle)
    return size - start - hole - len(kept)


def _end_of_lines(handle: int, size: int) -> int:
    """Return where the last line ends that has an end."""
    end = size
    while end:
        start = max(0, end - _CHUNK)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _hole_in(handle: int, end: int) -> tuple[int, int]:
    """Return where the tail begins, and where in it the first line begins that has a NUL, -1 when none has."""
    start = max(0, end - _TAIL)
    tail = _read(handle, start, end)
    found = tail.find(b"\0")
    return start, -1 if found < 0 else tail.rfind(b"\n", 0, found) + 1


def _read(handle: int, start: int, end: int) -> bytes:
    parts = []
    while start < end and (part := os.pread(handle, end - start, start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def _replace(handle: int, path: Path, end: int, kept: bytes) -> None:
    draft = path.with_name(path.name + ".new")
    copy = create_private(draft)
    try:
        for start in range(0, end, _CHUNK):
            write_all(copy, _read(handle, start, min(end, start + _CHUNK)))
        write_all(copy, kept)
        os.fsync(copy)
    finally:
        os.close(copy)
    draft.replace(path)
