"""What the verbs share: common options, the configuration they name, its regions, and the flags of what they ask."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from msgspec import Meta
from msgspec.structs import FieldInfo, fields

from postroad import registry
from postroad.clock import Clock, SystemClock
from postroad.config import Config, load
from postroad.config.defaults import KEY_FILE, read_write_key
from postroad.config.problems import did_you_mean
from postroad.contract.calls import TYPES
from postroad.errors import StoreUnavailable, UsageError
from postroad.operations.asking import TIMES, Asked, Regions, WrongField, chosen, read
from postroad.regions import open_regions

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
Region = Annotated[str | None, typer.Option("--region", metavar="NAME", help="Only this region.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


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


@contextlib.asynccontextmanager
async def open_stores(config: Config, wanted: str | None, clock: Clock) -> AsyncIterator[Regions]:
    """Open one region for reading beside the processes that write it, or all when `wanted` is None.

    Raises `UsageError` when there is no such region, `StoreUnavailable` when there is no data folder.
    """
    folder = config.server.data_dir
    if not folder.is_dir():
        raise StoreUnavailable(f"there is no data folder {folder}; `postroad serve` makes it")
    async with open_regions(config, chosen(config.regions, wanted), clock) as regions:
        yield {region.name: region for region in regions}


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


def flags(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command in which a parameter that is a request of an operation is replaced by the request's flags.

    Calling it raises `UsageError`, which names the flag, when one can't be read.
    """
    hints = get_type_hints(command, include_extras=True)
    slot, wanted = next((n, t) for n, t in hints.items() if isinstance(t, type) and issubclass(t, Asked))
    found = {field.name: (field.encode_name, one) for field in fields(wanted) if (one := _flag(wanted, field))}

    def run(**given: Any) -> None:
        said = {found[name][0]: given.pop(name) for name in found}
        try:
            asked = read(
                wanted, {name: value for name, value in said.items() if value not in (None, [])}, SystemClock()
            )
        except WrongField as error:
            raise UsageError(f"--{error.field.replace('_', '-')}: {error.why}") from error
        command(**given, **{slot: asked})

    parameters: list[Parameter] = []
    for one in signature(command).parameters.values():
        own = one.replace(annotation=hints[one.name])
        parameters += [flag for _, flag in found.values()] if one.name == slot else [own]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _flag(wanted: type[Asked], field: FieldInfo) -> Parameter | None:
    """Return the parameter of a field, None when the command line does not show it."""
    shown = getattr(get_type_hints(wanted, include_extras=True)[field.name], "__metadata__", [Meta()])[-1]
    if not shown.extra:
        return None
    kinds = get_args(get_type_hints(wanted)[field.name])
    kind = list[str] if list[str] in kinds else str if field.encode_name in TIMES else kinds[0]
    name = shown.extra["name"] or field.encode_name.replace("_", "-")
    option = typer.Option(f"--{name}", metavar=shown.extra["metavar"], help=shown.description)
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])


def _nothing() -> None:
    pass
