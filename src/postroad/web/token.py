"""The admin token: what an operator shows to be let in."""

import hmac


class AdminToken:
    """Tells by an Authorization header whether a request is an operator's, in a time that says nothing of the token."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def admits(self, authorization: bytes) -> bool:
        """Tell whether this is `Bearer` and the token."""
        scheme, _, given = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)
