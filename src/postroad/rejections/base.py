"""The rejections' values, and what their store promises.

Words. A **rejection** is a request, or one item of a batch, that was answered 200 in permissive mode and could
not become an event. A **known** source is one whose key we have; its rejections keep their body whole, so
that they can be retried. A **public** source is a known one whose key anybody can have. A **stranger** is anybody else:
source `""`, and never a body.

Who owns what. One process owns the `Rejections` of a region (it holds a lock) and is the only one that writes;
any number of processes may hold a `RejectionsReader`.

What is promised. `record` returns once its rejections are on disk, all of one call or none. Public sources, the other
known ones and strangers are a class each with a quota of its own, so that none displaces another: when one is
exceeded the oldest of that class are evicted in the same transaction. Nothing goes uncounted: for each class, at
every moment, `recorded == kept + evicted + removed`, and these counts outlive restarts. Ids increase and are never
used twice.
"""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Rejection:
    """One request or batch item that could not become an event.

    `at` is in microseconds. `source` is `""` when the key is unknown. `code` is the main reason, `details` all of
    them as (path, code, message). `path` is that of the request, `size` its bytes (of the item where it is one).
    `is_public` tells whether its source was public then. `key_fingerprint` is the first 8 hex digits of the
    SHA-256 of the key that was presented, `""` when there was none. `index` is the item's place in its batch.
    `id` is 0 until it is recorded.
    """

    at: int
    source: str
    code: str
    details: tuple[tuple[str, str, str], ...]
    path: str
    size: int
    key_fingerprint: str
    body: bytes | None
    index: int | None = None
    id: int = 0
    is_public: bool = False


class Quota(NamedTuple):
    """What one class may keep. `size` is in bytes: bodies, reasons and paths."""

    rows: int
    size: int


class Quotas(NamedTuple):
    """The quotas of the classes; `known` is that of known sources that are not public."""

    known: Quota
    strangers: Quota
    public: Quota = Quota(20_000, 16 << 20)


DEFAULT_QUOTAS = Quotas(known=Quota(100_000, 64 << 20), strangers=Quota(10_000, 4 << 20))


class Count(NamedTuple):
    """The books of one class: `recorded == kept + evicted + removed`. `size` is what the kept ones have in bytes."""

    recorded: int = 0
    kept: int = 0
    evicted: int = 0
    removed: int = 0
    size: int = 0


class Counts(NamedTuple):
    """The books of the classes, since the file was made."""

    known: Count = Count()
    strangers: Count = Count()
    public: Count = Count()
