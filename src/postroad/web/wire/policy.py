"""What is taken as a request and what is not: the whole policy of the transport, as a table.

What is refused is answered with the status and the documented error body, in its turn, and then the connection is
closed: where the next request would begin can't be known any more (RFC 9112, 9.6). Requests that were whole before it
have had their answers. `httptools` is the parser (llhttp, strict).

| what came | what happens | RFC |
|---|---|---|
| a line that is not `METHOD target HTTP/1.0` or `1.1` (0.9, 2.0, PRI, RTSP) | 400 `request_line` | 9112 3, 9113 3.4 |
| CONNECT: there is nothing to tunnel to | 400 `request_line` | 9110 9.3.6 |
| a target over 8 KiB | 414 `target_length` | 9110 15.5.15 |
| a target in absolute form | its host counts, not Host | 9112 3.2.2 |
| slashes at the end of a path | mean nothing | ours |
| a head over 64 KiB or 128 fields | 431 `head_size` | 6585 5 |
| trailers, chunk sizes and extensions over 64 KiB and 16 for each byte of body | 431 `head_size` | 9112 7.1 |
| no Host or several in 1.1, several in 1.0; one that is no host | 400 `host` | 9112 3.2 |
| several Authorization | 400 `authorization` | 9110 5.3, 11.6.2 |
| Transfer-Encoding that is not just `chunked`, or in HTTP/1.0 | 400 `coding` | 9112 6.1 |
| Transfer-Encoding beside Content-Length | 400 `syntax`, by the parser | 9112 6.1 |
| Content-Length twice, empty, signed, or with anything but digits | 400 `syntax`, by the parser | 9112 6.3 |
| a bare LF or CR, obs-fold, NUL or another control character | 400 `syntax`, by the parser | 9112 2.2, 5.2; 9110 5.5 |
| a blank before the colon or the first field; a name that is no token | 400 `syntax`, by the parser | 9112 2.2, 5.1 |
| a chunk size that is not hexadecimal or too large; no CRLF behind a chunk | 400 `syntax`, by the parser | 9112 7.1 |
| a method that nobody has registered | 400 `syntax`, by the parser | 9110 16.1 |
| trailers | dropped | 9110 6.5.1 |
| Upgrade | ignored, the body is read | 9110 7.8 |
| a request that doesn't come whole within `request_timeout` | 408 | 9110 15.5.9 |
| Expect: 100-continue | 100, once the body of this head is wanted | 9110 10.1.1 |
| any other Expect | ignored | 9110 10.1.1 |
| HTTP/1.0, or Connection: close | closed behind its answer | 9112 9.3, 9.6 |
"""

import re
import string
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from postroad.contract.refusals import Error
from postroad.web.answers import Answer, Header, refuse

HEAD_BYTES: Final = 64 * 1024
"""The request line and the fields together."""
TARGET_BYTES: Final = 8 * 1024
FIELDS: Final = 128
FOR_A_BYTE: Final = 16
"""Bytes of framing that a byte of a chunked body may bring along, beyond `HEAD_BYTES`: the smallest chunk takes 6."""

_VERSIONS: Final = ("1.1", "1.0")
_IN_HOSTS: Final = (string.ascii_letters + string.digits + "-._~%!$&'()*+,;=:[]").encode()
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(:[0-9]{0,5})?")
"""A name or an address, maybe with a port: RFC 9110, 4.2 and RFC 3986, 3.2."""
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]+)", re.IGNORECASE)


class Head:
    """The head of a request as it came. Names are in lower case, values without blanks around them."""

    __slots__ = ("_fields", "headers", "keep_alive", "method", "raw", "target", "version")

    def __init__(
        self, raw: bytes, method: str, target: bytes, version: str, headers: Sequence[Header], *, keep_alive: bool
    ) -> None:
        """`raw` is its very bytes, to the empty line and maybe with empty lines before it; `keep_alive` says whether
        the client takes another answer on this connection.
        """
        self.raw, self.method, self.target, self.version = raw, method, target, version
        self.headers = headers
        self.keep_alive = keep_alive
        self._fields = dict(headers)

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a field, the last one if it came several times."""
        return self._fields.get(name)

    def all(self, name: bytes) -> Sequence[bytes]:
        """Return every value that a field has."""
        last = self._fields.get(name)
        if last is None:
            return ()
        if len(self._fields) == len(self.headers):  # all different: nearly always
            return (last,)
        return [value for found, value in self.headers if found == name]


class Rule(NamedTuple):
    """A reason to refuse: its name in the metric and the log, and what the client is told."""

    name: str
    status: int
    sentence: str
    broken: Callable[[Head], bool] = lambda _head: False
    """Whether a whole head breaks it; the other rules are broken before there is one."""

    def answer(self) -> Answer:
        """Return what the client gets."""
        return refuse(Error.INVALID, self.sentence)._replace(status=self.status)


def _line(head: Head) -> bool:
    line = f"{head.method} {head.target.decode('latin-1')} HTTP/{head.version}\r\n".encode("latin-1")
    if not head.raw.lstrip(b"\r\n").startswith(line) or head.version not in _VERSIONS:
        return True
    return head.method == "CONNECT" or b"#" in head.target


def _host(head: Head) -> bool:
    hosts = head.all(b"host")
    if len(hosts) != 1 and (hosts or head.version == "1.1"):
        return True
    if head.target[:1] != b"/":
        hosts = [*hosts, read_target(head.target).authority]
    return not all(_is_host(host) for host in hosts)


def _is_host(host: bytes) -> bool:
    return not host.translate(None, _IN_HOSTS) and _HOST.fullmatch(host) is not None


def _coding(head: Head) -> bool:
    if head.get(b"transfer-encoding") is None:
        return False
    return head.version == "1.0" or [coding.lower() for coding in head.all(b"transfer-encoding")] != [b"chunked"]


LINE: Final = Rule(
    "request_line", 400, "the request line must be METHOD, target and HTTP/1.1 or HTTP/1.0, one blank between", _line
)
SYNTAX: Final = Rule("syntax", 400, "this is no HTTP/1.1")
TIME: Final = Rule("time", 408, "the request did not come whole in the time that it may take")
HEAD_SIZE: Final = Rule(
    "head_size",
    431,
    f"a head may have {FIELDS} fields and {HEAD_BYTES // 1024} KiB; what frames a body may not outgrow it",
    lambda head: len(head.headers) > FIELDS,
)
RULES: Final = (
    LINE,
    Rule(
        "target_length",
        414,
        f"the target of a request may have {TARGET_BYTES // 1024} KiB",
        lambda head: len(head.target) > TARGET_BYTES,
    ),
    HEAD_SIZE,
    Rule(
        "host", 400, "there must be exactly one Host in HTTP/1.1, at most one in HTTP/1.0, and it must name one", _host
    ),
    Rule(
        "authorization",
        400,
        "there may be only one Authorization",
        lambda head: len(head.all(b"authorization")) > 1,
    ),
    Rule("coding", 400, "Transfer-Encoding may only be `chunked`, once, and not in HTTP/1.0", _coding),
)
"""The rules for a whole head, in the order in which they are looked at."""


def judge(head: Head) -> Rule | None:
    """Return the first rule that a whole head breaks."""
    for rule in RULES:
        if rule.broken(head):
            return rule
    return None


class Target(NamedTuple):
    """A request's target, taken apart. `authority` is the host of an absolute-form one, else empty."""

    path: bytes
    query: bytes
    authority: bytes


def read_target(target: bytes) -> Target:
    """Take a target apart; slashes at the end of its path are gone."""
    authority = b""
    if not target.startswith(b"/") and (absolute := _ABSOLUTE.match(target)):
        authority = absolute[1].rpartition(b"@")[2]
        target = target[absolute.end() :]
    path, _, query = target.partition(b"?")
    return Target(path.rstrip(b"/") or b"/", query, authority)


def wants_continue(head: Head) -> bool:
    """Tell whether the client waits with the body until it is told to go on."""
    expected = head.get(b"expect")
    return expected is not None and expected.lower() == b"100-continue" and head.version == "1.1"
