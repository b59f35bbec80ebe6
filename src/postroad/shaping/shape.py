"""What an event looks like when it leaves for one destination: its `transform`, then its `pii` modes.

In this order, so that no transform can bring back what is to be hidden; the transform itself sees all.
"""

import secrets
from pathlib import Path
from typing import Final

import msgspec

from postroad.clock import Clock
from postroad.config.model import Pii
from postroad.contract.calls import Type
from postroad.contract.email import KINDS
from postroad.destinations.base import Event
from postroad.errors import ConfigError, StoreUnavailable
from postroad.shaping.privacy import Mask
from postroad.shaping.transformer import Transformer
from postroad.storage import files

KEY_FILE: Final = "pii-key"

_KEY_BYTES: Final = 32


class _Head(msgspec.Struct):
    type: str
    event: str | None = None


_HEAD: Final = msgspec.json.Decoder(_Head)


class Shape:
    """Shapes the events of one destination. Made inside a running event loop."""

    def __init__(self, transformer: Transformer | None, mask: Mask | None) -> None:
        self._transformer = transformer
        self._mask = mask

    async def __call__(self, event: Event) -> Event | str | None:
        """Return the event as the destination gets it, None when the transform filters it out.

        A text is why it can never be delivered as it is: a sentence, often with a trace in the lines below. It
        never raises. Calls under way at the same time share round trips to the transform's process.
        """
        if self._transformer is not None:
            made = await self._transformer(event.body)
            if made is None or isinstance(made, str):
                return made
            event = _with_body(event, made)
        return event if self._mask is None else event._replace(body=self._mask(event.body))

    async def close(self) -> None:
        """End the transform's process. Safe to call twice."""
        if self._transformer is not None:
            await self._transformer.close()


def make_shape(
    transform: str, modes: Pii, data_dir: Path, clock: Clock, transform_path: Path | None = None
) -> Shape | None:
    """Return what shapes a destination's events, None when they go out as they are.

    `transform` is `package.module:function` or empty, `transform_path` a folder of such modules. When something is
    hashed, the key is read, or made, in the data folder. Raises `ConfigError` or `StoreError` when it can't be.
    """
    if not transform and modes.all_pass:
        return None
    transformer = Transformer(transform, clock, path=transform_path) if transform else None
    key = pii_key(data_dir) if modes.need_key else b""
    return Shape(transformer, None if modes.all_pass else Mask(modes, key))


def pii_key(data_dir: Path) -> bytes:
    """Return the key of the hashes, 32 bytes, kept as 64 hexadecimal digits in `data_dir/pii-key` (0600).

    It is made at the first use. Raises `ConfigError` when the file is no key, `StoreUnavailable` when it can't be made.
    """
    path = data_dir / KEY_FILE
    try:
        if not path.exists():
            files.write_private(path, f"{secrets.token_hex(_KEY_BYTES)}\n")
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError([f"{path}: is not a key of {_KEY_BYTES * 2} hexadecimal digits; restore it from a backup"])
    return key


def _with_body(event: Event, body: bytes) -> Event:
    """Put a new body into an event; what we know of the old one follows it where it is in the body.

    An event whose name the transform left alone stays of its kind. One that it renamed is of the kind of
    its new name, or of none.
    """
    head = _HEAD.decode(body)
    name = (head.event or "").strip() if head.type == Type.TRACK.wire else ""
    kind = event.kind if name == event.name else KINDS.get(name)
    return event._replace(type=head.type, name=name, kind=kind, body=body)
