"""Starting without a file: a small configuration, and the secrets that a first start makes.

`data_dir/write-key` holds the key of the source `app`, `data_dir/admin-token` the admin token; both are 0600.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from postroad.config.keys import new_key
from postroad.config.loading import FIRST_REGION, Types, config_file, load_document, load_file
from postroad.config.model import Config
from postroad.errors import ConfigError, StoreUnavailable
from postroad.storage import files

KEY_FILE: Final = "write-key"
TOKEN_FILE: Final = "admin-token"  # noqa: S105 - the name of a file
_NO_FILE: Final = "no configuration file was given (--config, POSTROAD_CONFIG), there is no ./postroad.toml"

SOURCE: Final = "app"
DESTINATION: Final = "events"


class FirstStart(NamedTuple):
    """A configuration without a file. `key` is the write key of the source `app`, `created` whether it is new.

    `key` is None when the environment sets the key.
    """

    config: Config
    key: str | None
    created: bool


def load(path: Path | None, environ: Mapping[str, str], types: Types | None = None) -> Config:
    """Return the configuration of `path`, else of `POSTROAD_CONFIG`, else of `./postroad.toml` when it is there, else
    the one of a start without a file.

    Creates nothing. Raises `ConfigError` with all problems.
    """
    file = config_file(path, environ)
    return load_file(file, environ, types) if file else load_default(environ, types)


def load_default(environ: Mapping[str, str], types: Types | None = None) -> Config:
    """Return the configuration of a start without a file, after `ensure_defaults` has made its key.

    Raises `ConfigError`, also when there is no key yet.
    """

    def existing(folder: Path) -> tuple[str, bool]:
        key = read_write_key(folder)
        if key is None:
            raise ConfigError([f"{_NO_FILE}, and {folder / KEY_FILE} does not exist"])
        return key, False

    return _default(environ, types, existing).config


def first_config(environ: Mapping[str, str], types: Types | None = None) -> Config:
    """Return the configuration that a start without a file will have, but for its write key. Creates nothing.

    Raises `ConfigError`.
    """
    return _default(environ, types, lambda _: (new_key(FIRST_REGION), False)).config


def ensure_defaults(environ: Mapping[str, str], types: Types | None = None) -> FirstStart:
    """Return the configuration of a start without a file; make the data folder and the write key when missing.

    Raises `ConfigError`, and `StoreError` when the folder can't be used.
    """
    return _default(environ, types, lambda folder: _kept(folder, KEY_FILE, new_key(FIRST_REGION)))


def ensure_admin_token(data_dir: Path) -> tuple[str, bool]:
    """Return the admin token and whether it was made now. Raises `ConfigError` or `StoreError`."""
    return _kept(data_dir, TOKEN_FILE, secrets.token_urlsafe(32))


def read_write_key(data_dir: Path) -> str | None:
    """Return the write key of a start without a file, or None when none was made. Raises `ConfigError`."""
    return _read_secret(data_dir / KEY_FILE)


def read_admin_token(data_dir: Path) -> str | None:
    """Return the admin token, or None when no server has made one yet. Raises `ConfigError`."""
    return _read_secret(data_dir / TOKEN_FILE)


def _default(environ: Mapping[str, str], types: Types | None, key_of: Callable[[Path], tuple[str, bool]]) -> FirstStart:
    # First with a key that nobody uses: the environment may say where the data folder is, and which key is used.
    config = load_document(_document(new_key(FIRST_REGION)), environ, types)
    if ("sources", SOURCE, "write_key") in config.origin.overrides:
        return FirstStart(config, None, created=False)
    key, created = key_of(config.server.data_dir)
    return FirstStart(load_document(_document(key), environ, types), key, created)


def _document(key: str) -> dict[str, Any]:
    return {
        "regions": {FIRST_REGION: {}},
        "sources": {SOURCE: {"write_key": key.replace("${", "$${")}},
        # From the beginning: an event may come before the delivery process has opened its account.
        "destinations": {DESTINATION: {"type": "file", "from": "beginning"}},
    }


def _kept(folder: Path, name: str, new: str) -> tuple[str, bool]:
    files.prepare_folder(folder)
    found = _read_secret(folder / name)
    if found is not None:
        return found, False
    try:
        files.write_private(folder / name, f"{new}\n")
    except OSError as error:
        raise StoreUnavailable(f"{folder / name}: {error.strerror}") from error
    return new, True


def _read_secret(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            loose = files.why_not_ours(os.fstat(file.fileno()), path, os.geteuid())
            text = file.read().decode().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError:
        text, loose = "", ""
    if loose:
        raise ConfigError([f"{path}: {loose}, or remove it, and the next start makes a new one"])
    if not text:
        raise ConfigError([f"{path}: is empty or not a text; remove it, and the next start makes a new one"])
    return text
