"""What browsers need beside the calls: the settings that their SDKs fetch first, and CORS."""

from collections.abc import Sequence
from typing import Final

import msgspec

from postroad.contract.refusals import Error
from postroad.ingest.forwarded import NO_PROXIES, Proxies, caller_of
from postroad.ingest.guesses import WRONG_KEY
from postroad.ingest.senders import Senders, Stranger
from postroad.web.answers import OK, Answer, Header, Scope, refuse

_BEFORE: Final = "/v1/projects/"
_AFTER: Final = "/settings"
_INTEGRATION: Final = "Customer.io Data Pipelines"
"""Under this name Customer.io's SDKs look for where to send. A second one makes the browser's load code for it."""

CORS: Final[Sequence[Header]] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"X-Request-Id, X-Postroad-Violations, Retry-After"),
)
"""On every answer to a page. Any origin may send: a page is no secret, and its key is a publishable one."""

_PREFLIGHT: Final[Sequence[Header]] = (
    (b"access-control-allow-methods", b"GET, POST"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Content-Encoding, X-Strict-Mode, X-Retry-Count",
    ),
    (b"access-control-max-age", b"7200"),
)

PREFLIGHT: Final = OK._replace(headers=_PREFLIGHT)
"""The answer to OPTIONS."""


def project_of(path: str) -> str:
    """Return the key in the path of a settings request, nothing for every other path."""
    return path[len(_BEFORE) : -len(_AFTER)] if path.startswith(_BEFORE) and path.endswith(_AFTER) else ""


class BrowserSettings:
    """Answers `GET /v1/projects/{key}/settings`: an SDK does not start without it."""

    def __init__(self, senders: Senders, proxies: Proxies = NO_PROXIES) -> None:
        self._senders = senders
        self._proxies = proxies

    def answer(self, path: str, scope: Scope) -> Answer:
        """Tell the SDK to send to the host it asked, unless that is another region's: it would send in vain.

        A secret key (`sk_…`) is refused: it has no place in a page.
        """
        key = project_of(path)
        if key.startswith("sk_"):
            return refuse(Error.UNAUTHORIZED, "a secret key (sk_…) has no place in a browser; use a pk_… key")
        sender = self._senders.of_key(key, scope)
        if isinstance(sender, Stranger):
            if self._senders.by_keys((key,)) is None:
                scope[WRONG_KEY] = True
            return refuse(Error.UNAUTHORIZED, sender.problem.message, (sender.problem,))
        caller = caller_of(scope, self._proxies)
        place = {"apiKey": key, "apiHost": f"{caller.host}/v1", "protocol": caller.scheme}
        body = msgspec.json.encode({"integrations": {_INTEGRATION: place}})
        return Answer(200, body, ((b"cache-control", b"no-store"),))
