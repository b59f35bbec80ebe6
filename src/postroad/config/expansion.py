"""`${NAME}` and `${file:PATH}` in values: how secrets stay out of the file. `$${` stands for a plain `${`."""

import os
import re
import stat
from collections.abc import Mapping
from typing import Final

from postroad.config.problems import KeyPath, Problem

LARGEST_FILE: Final = 64 * 1024

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Expansion:
    """Replaces references in a document; `problems` and the paths of `expanded` values gather on the way."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.expanded: set[KeyPath] = set()
        self._environ = environ

    def expand(self, value: object, path: KeyPath = ()) -> object:
        """Return the value with every reference in its texts replaced; keys are left alone."""
        if isinstance(value, dict):
            return {key: self.expand(member, (*path, key)) for key, member in value.items()}
        if isinstance(value, list):
            return [self.expand(member, (*path, index)) for index, member in enumerate(value)]
        return self._text(value, path) if isinstance(value, str) and "${" in value else value

    def _text(self, text: str, path: KeyPath) -> str:
        def replace(found: re.Match[str]) -> str:
            if found.group() == "$${":
                return "${"
            self.expanded.add(path)
            try:
                return self._resolve(found.group(1))
            except ValueError as error:
                self.problems.append(Problem(path, str(error)))
                return ""

        return _REFERENCE.sub(replace, text)

    def _resolve(self, reference: str | None) -> str:
        if reference is not None and reference.startswith("file:"):
            return _read(reference.removeprefix("file:"))
        if reference is None or not _NAME.fullmatch(reference):
            raise ValueError("has a `${` that is neither ${NAME} nor ${file:PATH}; write $${ for a plain one")
        if reference not in self._environ:
            raise ValueError(f"needs the environment variable {reference}, which is not set")
        return _plain(self._environ[reference], f"the environment variable {reference}")


def _read(path: str) -> str:
    try:
        with open(path, "rb", opener=_regular) as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"needs the file {path}, which cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError("needs a file whose path is not one") from None
    if len(content) > LARGEST_FILE:
        raise ValueError(f"needs the file {path}, which is larger than 64 KiB")
    text = content.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"needs the file {path}, which is empty")
    return _plain(text, f"the file {path}")


def _regular(path: str, flags: int) -> int:
    """Open a regular file; what is none is refused, and a pipe that nobody writes to not waited for."""
    handle = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(None, "it is not a regular file")
    return handle


def _plain(text: str, what: str) -> str:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"needs {what}, which is not UTF-8")
    return text
