"""Rejections as they are shown."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from postroad.rejections import Rejection
from postroad.secret import MASK

# The body is kept whole for a retry; not everybody who looks at rejections needs the keys that clients put in it.
_WRITE_KEY: Final = re.compile(r'("writeKey"\s*:\s*")(?:[^"\\]|\\.)*')


class Reason(msgspec.Struct, frozen=True):
    """One thing that was wrong: a JSON path, a code and a sentence."""

    path: str
    code: str
    message: str


class RejectionEntry(msgspec.Struct, frozen=True):
    """A rejection in a list; `at` in microseconds, `kept` says whether its body was kept, so that it can be retried."""

    region: str
    id: int
    at: int
    source: str
    key_fingerprint: str
    path: str
    index: int | None
    code: str
    details: Sequence[Reason]
    size: int
    kept: bool


def rejection_entry(region: str, rejection: Rejection) -> RejectionEntry:
    """Return what a list shows of a rejection."""
    return RejectionEntry(
        region=region,
        id=rejection.id,
        at=rejection.at,
        source=rejection.source,
        key_fingerprint=rejection.key_fingerprint,
        path=rejection.path,
        index=rejection.index,
        code=rejection.code,
        details=[Reason(*detail) for detail in rejection.details],
        size=rejection.size,
        kept=rejection.body is not None,
    )


def rejection_story(region: str, rejection: Rejection) -> dict[str, Any]:
    """Return a rejection with its body, as `shown_body` has it."""
    body = None if rejection.body is None else shown_body(rejection.body)
    return {**msgspec.to_builtins(rejection_entry(region, rejection)), "body": body}


def shown_body(body: bytes) -> str:
    """Return a body as a text in which bytes that are no UTF-8 are escaped and write keys are masked."""
    return _WRITE_KEY.sub(rf"\1{MASK}", body.decode("utf-8", "backslashreplace"))
