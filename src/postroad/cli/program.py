"""The program: its verbs by name, and what its exit status means. A verb's module is imported when that verb is used,
and not before.
"""

import importlib
import os
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from typer._completion_classes import completion_init
from typer.core import TyperGroup
from typer.main import get_command

from postroad import __version__

VERBS: Final[Mapping[str, str]] = {
    "serve": "Start Postroad: accept events and deliver them until stopped.",
    "reload": "Have the running server read its configuration again.",
    "check": "Check the configuration and show it with its secrets masked.",
    "init": "Write a first postroad.toml, with what each setting means.",
    "schema": "Print the JSON schema of the configuration, for editors.",
    "keys": "Make write keys, and show the token of the metrics.",
    "send": "Send one event to a running server.",
    "tail": "Follow the events that are accepted.",
    "show": "Show one event: what came, and what each destination got and answered.",
    "status": "Show how every region and destination is.",
    "audit": "Compare the books of every destination with the log, event by event.",
    "destinations": "List destinations, or abandon one that is gone from the configuration.",
    "hold": "Send nothing more to a destination until it is released; what it is owed waits.",
    "release": "End a hold: what waited is sent.",
    "try": "Try a destination now, without waiting for the next probe or a retry's time.",
    "replay": "Deliver a stretch of time once more to a destination; list or stop replays.",
    "dead": "List, show, resend or drop dead letters.",
    "rejections": "List, show or retry what was answered 200 and could not become an event.",
    "export": "Write events as NDJSON.",
    "import": "Send the calls of an NDJSON file to a running server.",
    "backup": "Copy the data folder, so that another server can start from it.",
    "completion": "Print what makes a shell complete commands and options.",
    "new": "Start writing something: its first version works, and has its tests.",
}
"""Every verb with what its help begins with; `postroad.cli.VERB` has its `app`."""

VARIABLE: Final = "_POSTROAD_COMPLETE"
"""Environment variable: set while a shell asks what could come next."""

_MODULES: Final = {"import": "import_", "try": "try_"}
"""Verbs whose module has another name, because theirs is a word of the language."""

NOT_SO: Final = 1
WRONG: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130

MEANINGS: Final = {
    0: "it is done, and it is so",
    NOT_SO: "what was asked for is not so: not found, not accepted, not delivering, the books don't balance",
    WRONG: "the command line or the configuration is wrong, or the data is of a newer Postroad; nothing was done",
    UNREACHABLE: "the server can't be reached, or the data folder can't be read",
    INTERRUPTED: "interrupted with Ctrl-C",
}
"""What each exit status means."""

_EPILOG: Final = "Exit status: " + "; ".join(f"{status} {meaning}" for status, meaning in MEANINGS.items()) + "."


class Program(TyperGroup):
    """Finds a verb's command in the verb's own module."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the framework's signature
        """Return the verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the framework's signature
        """Return a verb's command, None when there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command = get_command(importlib.import_module(f"postroad.cli.{_MODULES.get(cmd_name, cmd_name)}").app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the framework's signature
        """Write the list of verbs without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def program() -> Program:
    """Return the whole program."""
    app = typer.Typer(
        cls=Program, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, epilog=_EPILOG
    )
    app.callback(invoke_without_command=True, no_args_is_help=True)(_start)
    command = get_command(app)
    if not isinstance(command, Program):
        raise TypeError("the program is a group of verbs")
    if VARIABLE in os.environ:
        completion_init()  # before the framework answers the shell
    command.commands.update(dict.fromkeys(VERBS, command))  # only their names: for "did you mean"
    return command


def _start(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Take semantic email events, keep them safe, and deliver them to every destination."""
    if version:
        typer.echo(f"postroad {__version__}")
        raise typer.Exit
