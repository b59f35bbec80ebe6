"""Every size and count that the contract enforces, in one place. Sizes are bytes of plain (inflated) JSON."""

from typing import Final

EVENT_BYTES: Final = 32 * 1024
"""One event; in a batch, after the batch's `context` and `integrations` are merged in."""

BATCH_BYTES: Final = 500 * 1024
"""One batch, as the contract has it."""

LENIENT_BATCH_BYTES: Final = 4 * 1024 * 1024
"""One batch outside strict mode: a client of the family sends batches this large."""

KEYLESS_BYTES: Final = BATCH_BYTES
"""How much of a body is read, at most, to find the write key that its header doesn't have: a sender that isn't known
gets no more, and what is larger must name a known key in this much of it.
"""

ITEMS: Final = 10_000
"""Items of one batch."""

MERGED_BYTES: Final = 16 * 1024 * 1024
"""All items of one batch, with what they share repeated on each of them."""

DEPTH: Final = 64
"""Nested objects and arrays of one event, the outermost one included."""

PROBLEMS: Final = 100
"""Problems that an error body tells in full: the first ones. Of a refused batch it names all bad items."""

EXCERPT: Final = 64
"""Characters of a bad value that an error message repeats."""
