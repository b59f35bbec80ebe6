"""Turns for work that takes long: a slice of all of it together in each round of the event loop."""

import asyncio


class Turns:
    """Whoever does long work on the event loop pauses here before each slice of a few milliseconds.

    Short work is done in every round; of the long work only one slice, whoever's it is, the longest waiting first. So
    a hundred large requests make a small one wait no longer than one does.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def pause(self) -> None:
        """Return when it is the caller's turn, after others had a round of the loop."""
        async with self._turn:
            await asyncio.sleep(0)
