"""What the verbs share: their common options, the configuration they name, and times as people write them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from postroad import registry
from postroad.clock import MICROSECONDS, Clock, read_moment
from postroad.config import Config, load
from postroad.config.defaults import KEY_FILE, read_write_key
from postroad.config.problems import did_you_mean
from postroad.config.units import read_duration
from postroad.contract.calls import TYPES
from postroad.errors import UsageError

LARGEST: Final = (1 << 63) - 1
"""The largest number that the stores can hold."""

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file; else POSTROAD_CONFIG, else ./postroad.toml if it is there, else the defaults of a "
        "first start.",
    ),
]
WriteKey = Annotated[
    str | None, typer.Option(envvar="POSTROAD_WRITE_KEY", help="The write key; else the one in the data folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON with stable keys: one object a line in lists.")]


def verb(command: Callable[..., None]) -> typer.Typer:
    """Return the app of a verb that is one command."""
    app = group()
    app.command()(command)
    return app


def group(summary: str | None = None) -> typer.Typer:
    """Return an app that a verb adds its commands to; `summary` is the help of one with several."""
    settings: dict[str, Any] = {"rich_markup_mode": None, "add_completion": False, "pretty_exceptions_enable": False}
    app = typer.Typer(**settings)
    if summary is not None:
        app.callback(no_args_is_help=True, help=summary)(_nothing)
    return app


def read_config(file: Path | None) -> Config:
    """Return the configuration that a verb works with. Raises `ConfigError` with all problems."""
    return load(file, os.environ, registry.settings_type)


def write_key(given: str | None, config: Config) -> str:
    """Return the write key to send with.

    Raises `UsageError` when none is given and the data folder has none, `ConfigError` when its file can't be read.
    """
    folder = config.server.data_dir
    key = read_write_key(folder) if given is None else given
    if key is None:
        raise UsageError(f"no write key: give --key or set POSTROAD_WRITE_KEY (there is no {folder / KEY_FILE})")
    return key


def check_call(name: str) -> None:
    """Raise `UsageError` when this is not the name of a call."""
    if name not in TYPES:
        raise UsageError(f"{name!r} is not a call; there are {', '.join(TYPES)}{did_you_mean(name, TYPES)}")


def read_time(text: str, clock: Clock) -> int:
    """Return microseconds for ISO 8601 (UTC unless it says otherwise) or for a duration ago such as `1h`.

    Raises `UsageError`.
    """
    try:
        return clock.now() - round(read_duration(text) * MICROSECONDS)
    except ValueError:
        pass
    try:
        return read_moment(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time such as 2024-01-15T10:30:00Z, nor a duration such as 1h or 7d"
        ) from None


def read_time_or_none(text: str | None, clock: Clock) -> int | None:
    """Return what `read_time` does, None when there is no text."""
    return None if text is None else read_time(text, clock)


def _nothing() -> None:
    pass
