"""What is wrong with a configuration, and where: the sentences that `postroad check` prints.

A problem never repeats a value: any value may be a secret. It may name keys, and what would have been right.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

KeyPath = tuple[str | int, ...]
"""Where a value is: table keys, and indexes of array elements."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class Problem(NamedTuple):
    """One fault: the path of the setting and a sentence without its subject (`must be a text`).

    `subject` stands in the sentence in place of the path where it says more.
    """

    path: KeyPath
    message: str
    subject: str = ""


class Origin:
    """Where each setting of a loaded configuration came from, so that later faults can name the place.

    `lines` maps paths to lines of `file`, `overrides` maps paths to environment variables, `expanded` has the
    paths of the values that came from `${…}`.
    """

    def __init__(
        self,
        file: str = "",
        lines: Mapping[KeyPath, int] | None = None,
        overrides: Mapping[KeyPath, str] | None = None,
        expanded: Iterable[KeyPath] = (),
    ) -> None:
        self.file = file
        self.lines = lines or {}
        self.overrides = overrides or {}
        self.expanded = frozenset(expanded)

    def __repr__(self) -> str:
        return f"Origin({self.file!r})"

    def sentences(self, problems: Iterable[Problem]) -> list[str]:
        """Return `postroad.toml:12: destinations.crm.url: must be a text` for each problem, in order of line."""
        placed = sorted(((*self._place(problem.path), problem) for problem in problems), key=lambda entry: entry[0])
        return [f"{place}{_subject(problem)}{problem.message}" for _, place, problem in placed]

    def _place(self, path: KeyPath) -> tuple[float, str]:
        for length in range(len(path), 0, -1):
            start = path[:length]
            if start in self.overrides:
                return float("inf"), f"{self.overrides[start]}: "
            if start in self.lines:
                return self.lines[start], f"{self.file}:{self.lines[start]}: "
        if not path:  # a variable that names no setting
            return float("inf"), ""
        return 0, f"{self.file}: " if self.file else ""


def dotted(path: KeyPath) -> str:
    """Write a path as TOML would: `destinations."My CRM".events[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text += f".{name}" if text else name
    return text


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return "; did you mean `near`?" when one of the choices is near, otherwise nothing."""
    folded = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower()[:100], folded, n=1, cutoff=0.6)
    return f"; did you mean `{folded[near[0]]}`?" if near else ""


def _subject(problem: Problem) -> str:
    subject = problem.subject or dotted(problem.path)
    return f"{subject}: " if subject else ""
