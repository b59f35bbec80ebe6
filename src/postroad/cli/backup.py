"""`postroad backup`: a copy of the data folder that a server can start from."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from postroad.cli.options import AsJson, ConfigFile, read_config, verb
from postroad.cli.output import progress, say, say_json, size
from postroad.operations.backup import backup as copy_folder

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where to; it must be empty or not there yet.")]


def backup(folder: _Folder, *, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Copy the data folder of a running or stopped server, so that another can start from it.

    The copy's books balance. It has the events, the ledger, the rejections, the secrets of the folder and what
    destinations wrote into it, but not the configuration: keep that too. To restore, stop the server and put the
    copy in the place of the data folder. What was delivered since the backup is delivered once more.
    """
    data_dir = read_config(config).server.data_dir
    with progress("backup") as tell:
        copied = asyncio.run(copy_folder(data_dir, folder, tell))
    if as_json:
        say_json(copied)
        return
    say(f"copied {copied.files} files, {size(copied.bytes)}, to {folder}; the configuration is not in it: keep it too")


app = verb(backup)
