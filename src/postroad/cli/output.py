"""What the verbs print: tables on a terminal, plain columns in a pipe, JSON when asked."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec
import typer

from postroad.clock import iso
from postroad.destinations.printable import printable
from postroad.errors import UsageError
from postroad.operations.story import Try

Shown = TypeVar("Shown")

NEW_LINE: Final = "\n"
_CONTROLS: Final = re.compile(rb"\xc2[\x80-\x9f]|\x7f")
"""DEL and C1 in UTF-8: some terminals read U+009B as the beginning of a command. In JSON they only stand in texts."""
_GAP: Final = "  "
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")
_KIB: Final = 1024


def say(line: str) -> None:
    """Print one line; what others wrote into it can't move the cursor."""
    print(printable(line))  # noqa: T201 - printing is what this file is for


def say_lines(text: str, indent: str) -> None:
    """Print a text of several lines, such as the trace of a transform, each of them indented."""
    for line in text.split(NEW_LINE):
        say(f"{indent}{line}")


def say_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    say_bytes(msgspec.json.encode(value) + b"\n")


def say_bytes(data: bytes) -> None:
    """Print JSON as it is, at once; on a terminal without the control signs that JSON lets stand in texts."""
    sys.stdout.flush()
    sys.stdout.buffer.write(_CONTROLS.sub(_escaped, data) if sys.stdout.isatty() else data)
    sys.stdout.buffer.flush()


def _escaped(sign: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(sign[0].decode())


def pretty(body: bytes) -> str:
    """Return a JSON text indented, or its bytes as text when it is none; control signs are escaped by line."""
    try:
        text = msgspec.json.format(body, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = body.decode("utf-8", "backslashreplace")
    return "\n".join(printable(line) for line in text.splitlines())


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their column names; numbers go to the right."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    right = [all(isinstance(row[place], int | float) for row in rows) for place in range(len(columns))]
    if sys.stdout.isatty():
        _draw(columns, cells, right)
        return
    lines = [list(columns), *cells]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        padded = [
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(line, widths, right, strict=True)
        ]
        print(_GAP.join(padded).rstrip())  # noqa: T201


def say_list(
    found: Iterable[Shown], columns: Sequence[str], row: Callable[[Shown], Sequence[object]], *, as_json: bool
) -> None:
    """Print a list: as a table in which each entry has the cells that `row` returns, or as one line of JSON each."""
    if as_json:
        for entry in found:
            say_json(entry)
    else:
        table(columns, [row(entry) for entry in found])


def say_tries(failed: Sequence[Try]) -> None:
    """Print the tries that failed: when, what was answered, and what came back; a trace has many lines."""
    for tried in failed:
        status = f" {tried.status}" if tried.status else ""
        first, _, more = tried.why.partition(NEW_LINE)
        say(f"  {when(tried.at)}{status} {first}")
        for text in (more, tried.answer):
            if text:
                say_lines(text, "    ")


def say_body(body: bytes) -> None:
    """Print a body indented, below what it belongs to."""
    say("")
    for line in pretty(body).splitlines():
        say(f"  {line}")


def confirm(doing: str, question: str) -> None:
    """Ask before what can't be undone. Raises `Abort` on a no, and `UsageError` where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError(f"{doing} can't be undone: say --yes where nobody can be asked")
    typer.confirm(question, abort=True, err=True)


def when(at: int | None) -> str:
    """Write a time in microseconds for people; a dash when there is none."""
    return "-" if at is None else iso(at)


def size(bytes_: int) -> str:
    """Write a number of bytes for people."""
    if bytes_ < _KIB:
        return f"{bytes_} B"
    amount, place = bytes_ / _KIB, 0
    while amount >= _KIB and place + 1 < len(_UNITS):
        amount, place = amount / _KIB, place + 1
    return f"{amount:.1f} {_UNITS[place]}"


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal; yields what to call with the part that is done and the whole."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it, and it takes long to import
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def _draw(columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    from rich import box  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, flush in zip(columns, right, strict=True):
        # A number that is broken in two is another number.
        drawn.add_column(name, justify="right" if flush else "left", overflow="fold", no_wrap=flush)
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))  # Text: a cell's brackets are no markup
    Console().print(drawn)
