"""The reference of all verbs: what `--help` says, page after page."""

from collections.abc import Iterator
from typing import Any, Final

import typer

from postroad.cli.program import MEANINGS, program

_WIDTH: Final = 100

_INTRODUCTION: Final = """\
# Command line

`postroad VERB --help` says the same. Every verb reads the configuration that `--config` or `POSTROAD_CONFIG` names,
else `./postroad.toml` when it is there, and works beside a running server. Tables are for people; with `--json` every
verb prints JSON whose keys stay. Times in JSON are microseconds since 1970, except inside an event, which is as it is
delivered.

| Exit status | Meaning |
| ---: | --- |
"""


def reference() -> str:
    """Return `docs/reference/cli.md`."""
    rows = "".join(f"| {status} | {meaning} |\n" for status, meaning in MEANINGS.items())
    command = program()
    with typer.Context(command, info_name="postroad", terminal_width=_WIDTH, max_content_width=_WIDTH) as context:
        pages = [
            page
            for name in command.list_commands(context)
            for page in _pages(command.get_command(context, name), context)
        ]
    return "\n".join([_INTRODUCTION + rows, *pages, "Generated from the verbs in `src/postroad/cli/`.\n"])


def _pages(command: Any, parent: Any) -> Iterator[str]:
    """Yield a section for each command of a verb that has several, and for a verb that is a command itself."""
    with type(parent)(command, info_name=command.name, parent=parent) as context:
        names = command.list_commands(context) if hasattr(command, "list_commands") else []
        if not names or getattr(command, "invoke_without_command", False):
            lines = (line.rstrip() for line in context.get_help().splitlines())
            text = "\n".join(lines)
            yield f"## {context.command_path}\n\n```text\n{text}\n```\n"
        for name in names:
            yield from _pages(command.get_command(context, name), context)
