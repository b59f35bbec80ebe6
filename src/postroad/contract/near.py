"""Names that look like a semantic email event's and are not: `Email Delivred`, `email_delivered`."""

import difflib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from postroad.contract.email import ALIASES, KINDS

_NEAR: Final = 0.85
"""How alike two names have to be, from 0 to 1, for one to be taken for the other misspelt."""
_LONGER: Final = 4
"""Characters that a name may have more or fewer: what is farther off is not compared, which takes time."""
_LONGEST: Final = max(map(len, KINDS)) + 2 * _LONGER
_WORD: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")


def _words(name: str) -> Sequence[str]:
    return [word.lower() for word in _WORD.findall(name)]


_SPELT: Final = {name: _words(name) for name in KINDS}


@lru_cache(maxsize=4096)
def near_event(name: str) -> str | None:
    """Return the email event that a name resembles, None for a name that is one, another tool's name for one, or
    something else.

    A name resembles one of as many words with the same initials, so that `Email Subscribed` stays what it is.
    """
    if len(name) > _LONGEST or name in KINDS or name in ALIASES:
        return None
    words = _words(name)
    text, initials = " ".join(words), [word[0] for word in words]
    for event, theirs in _SPELT.items():
        is_candidate = initials == [word[0] for word in theirs]
        if is_candidate and _is_alike(" ".join(theirs), text):
            return event
    return None


def _is_alike(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > _LONGER:
        return False
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() >= _NEAR
