"""Telling a client's retry from another event that carries the same message id."""

import msgspec
from msgspec import Raw

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_PER_TRY = ("receivedAt", "sentAt")


def is_retry(stored: bytes, again: bytes) -> bool:
    """Tell whether two stored bodies with one message id are one event sent twice.

    What every try stamps anew doesn't count: `receivedAt`, `sentAt` (some clients), and a `timestamp` that is
    only the time of receipt. The order of members does not count either.
    """
    if stored == again:
        return True
    return _essence(stored) == _essence(again)


def _essence(body: bytes) -> dict[str, bytes]:
    members = {name: bytes(value) for name, value in _OBJECT.decode(body).items()}
    if members.get("timestamp") == members.get("receivedAt"):
        members.pop("timestamp", None)
    for name in _PER_TRY:
        members.pop(name, None)
    return members
