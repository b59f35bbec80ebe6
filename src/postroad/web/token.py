"""The admin token, what an operator shows to be let in; and what is made of it for a single path.

The admin token is for the admin address. What is asked at the ingest address, which anybody may reach, is asked with a
token of that path: made of the admin token, and telling nothing of it.
"""

import hashlib
import hmac
from collections.abc import Callable

from postroad.errors import PostroadError


class Token:
    """Tells by an Authorization header whether a request is an operator's, in a time that says nothing of the token.

    Where the disk was full at the first start there is no token yet: nobody is let in until it could be made.
    """

    def __init__(self, read: Callable[[], str | None]) -> None:
        """`read` returns the token, None when there is none yet; it is asked until it has returned one."""
        self._read = read
        self._token = ""

    @property
    def text(self) -> str:
        """The token itself, empty when there is none yet."""
        if not self._token:
            try:
                self._token = self._read() or ""
            except PostroadError:
                return ""  # who made it unreadable has to make it readable
        return self._token

    def admits(self, authorization: bytes) -> bool:
        """Tell whether this is `Bearer` and the token."""
        scheme, _, given = authorization.partition(b" ")
        token = self.text.encode()
        return bool(token) and scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), token)


class AdminToken(Token):
    """The token that opens everything at the admin address."""

    def of(self, path: str) -> Token:
        """Return the token for one path: the keyed hash of the path. Where there is no admin token there is none."""
        return Token(lambda: _hash(self.text, path) if self.text else None)


def _hash(token: str, path: str) -> str:
    return hmac.new(token.encode(), f"postroad path {path}".encode(), hashlib.sha256).hexdigest()
