"""Secrets: values of the configuration that never show themselves.

A secret prints as `***` wherever it is written: logs, errors, `repr` of the settings that hold it. Only
`reveal` gives the value away, so a search for that word finds every place that uses one.
"""

import hmac
from collections.abc import Sequence
from typing import ClassVar, Final

MASK: Final = "***"


class Secret:
    """One secret text."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def from_config(cls, value: object) -> "Secret":
        """Read it from a configuration file; raises `ValueError` with what is wrong, never with the value.

        An empty one is wrong too: a blank environment variable must not turn a signature off.
        """
        if not isinstance(value, str):
            raise ValueError("must be a text")  # noqa: TRY004 -- a fault of the configuration, not of a caller
        if not value:
            raise ValueError("is empty")
        return cls(value)

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash(self._value)


class Secrets(tuple[Secret, ...]):
    """One secret or a list of them, the newest first: what a setting holds while a secret is changed."""

    __slots__ = ()

    item: ClassVar[type[Secret]] = Secret
    """What each of them is; a subclass may demand a certain form."""

    @classmethod
    def from_config(cls, value: object) -> "Secrets":
        """Read one text or a list of texts; raises `ValueError` with what is wrong, also when there is none."""
        texts: Sequence[object] = value if isinstance(value, list | tuple) else [value]
        if not texts:
            raise ValueError("is an empty list; leave it out to do without")
        return cls(cls.item.from_config(text) for text in texts)


def dec_hook(wanted: type, value: object) -> object:
    """Tell `msgspec.convert` how to read secrets: any type with a `from_config` reads itself."""
    read = getattr(wanted, "from_config", None)
    if read is None:
        raise NotImplementedError(f"{wanted.__name__} is not a type of a setting")
    return read(value)


def enc_hook(value: object) -> object:
    """Tell msgspec's encoders how to write secrets: masked, as they print."""
    if isinstance(value, Secret):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} can't be written")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
