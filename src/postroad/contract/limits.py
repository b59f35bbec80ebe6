"""Every size and count that the contract enforces, in one place. Sizes are bytes of plain (inflated) JSON."""

from typing import Final

EVENT_BYTES: Final = 32 * 1024
"""One event; in a batch, after the batch's `context` and `integrations` are merged in."""

BATCH_BYTES: Final = 500 * 1024
"""One batch, as the contract has it."""

LENIENT_BATCH_BYTES: Final = 4 * 1024 * 1024
"""One batch outside strict mode: a client of the family sends batches this large."""

DEPTH: Final = 64
"""Nested objects and arrays, the outermost one included."""

EXCERPT: Final = 64
"""Characters of a bad value that an error message repeats."""
