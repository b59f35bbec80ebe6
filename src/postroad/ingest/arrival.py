"""A body as it arrived: whose it is when its header doesn't say, and then what it holds.

Of a body without a known key in its header only what may hold the key is inflated and read, within a budget, and
nothing of it is made: what it costs before it is known to be anybody's grows with its bytes alone. One that is known
after all is opened like any other.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from postroad.contract.credentials import keys_in_steps, keys_named_in
from postroad.contract.decode import Unusable
from postroad.contract.envelope import Batch
from postroad.contract.limits import KEYLESS_BYTES, LENIENT_BATCH_BYTES
from postroad.contract.violations import Problem
from postroad.ingest.batches import open_in_slices
from postroad.ingest.inflate import begin_inflating, inflate
from postroad.ingest.request import SMALL, Oversized
from postroad.ingest.turns import Turns

_BOM: Final = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8: no part of JSON, but sent before it (RFC 8259, section 8.1, lets us ignore it)."""

Body = bytes | Oversized


class Arrived(NamedTuple):
    """A body as it arrived: plain, or what is wrong with its encoding; whole, for a rejection; opened if a batch."""

    plain: Body | Problem
    whole: Body
    batch: Batch | Unusable | None


class Sought(NamedTuple):
    """The keys that were found in a body, the first one first; and what it inflates to, None where nobody has tried."""

    keys: Sequence[str]
    plain: Body | Problem | None


def open_small(body: Body, encoding: bytes) -> bytes | Problem | None:
    """Return the plain body, or what is wrong with its encoding; None for one that is not small, on the wire or
    inflated. Those are opened beside the event loop, in turns, a few of each source at a time: so little on the wire
    can be so much in memory.
    """
    if isinstance(body, Oversized) or len(body) > SMALL:
        return None
    plain = inflate(body, encoding, SMALL)
    return None if isinstance(plain, Oversized) else plain


class KeySeeker:
    """Finds the write keys in bodies whose headers have none that is known. `knows` tells whether keys belong to a
    source.
    """

    def __init__(self, knows: Callable[[Sequence[str]], bool], turns: Turns) -> None:
        self._knows = knows
        self._turns = turns

    async def seek(self, body: Body, encoding: bytes, plain: bytes | Problem | None) -> Sought:
        """Return the keys in a body, and what it inflates to; `plain` is what it is if it is small. Never raises,
        whatever the bytes.
        """
        if isinstance(body, Oversized):
            return Sought((), body)
        if isinstance(plain, bytes):
            return Sought(await self._keys(plain), plain)
        if isinstance(plain, Problem):
            return Sought(await self._keys(body), plain)
        return await self._seek_in_large(body, encoding)

    async def _seek_in_large(self, body: bytes, encoding: bytes) -> Sought:
        await self._turns.pause()
        beginning = begin_inflating(body, encoding, KEYLESS_BYTES + 1)
        if len(beginning) > KEYLESS_BYTES:
            named = keys_named_in(beginning.removeprefix(_BOM))
            if not self._knows(named):
                return Sought(named, None)
        plain = await inflate_beside(body, encoding)
        if isinstance(plain, Oversized):
            return Sought((), plain)
        if isinstance(plain, Problem) and len(body) > KEYLESS_BYTES:
            return Sought(keys_named_in(body[:KEYLESS_BYTES].removeprefix(_BOM)), plain)
        await self._turns.pause()
        return Sought(await self._keys(body if isinstance(plain, Problem) else plain), plain)

    async def _keys(self, text: bytes) -> tuple[str, ...]:
        """Return the keys in a plain body; other requests get their turn meanwhile."""
        steps = keys_in_steps(text.removeprefix(_BOM))
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: tuple[str, ...] = end.value
                return found
            await self._turns.pause()


async def open_body(body: Body, encoding: bytes, sought: Sought, turns: Turns, *, is_batch: bool) -> Arrived:
    """Open the body of a known source. Never raises, whatever the bytes."""
    plain = sought.plain
    if plain is None:
        plain = body if isinstance(body, Oversized) else await inflate_beside(body, encoding)
    if isinstance(plain, bytes):
        plain = plain.removeprefix(_BOM)
    batch = await open_in_slices(plain, turns) if is_batch and isinstance(plain, bytes) else None
    return Arrived(plain, body if isinstance(plain, Problem) else plain, batch)


async def inflate_beside(body: bytes, encoding: bytes) -> Body | Problem:
    """Return the plain body; what is large is inflated beside the event loop."""
    if not encoding:
        return body
    return await asyncio.to_thread(inflate, body, encoding, LENIENT_BATCH_BYTES)
