"""What S3-compatible storage's answer to a PUT means: pure.

| answer | outcome |
|---|---|
| 2xx with an ETag | delivered |
| 413 | split |
| 408, 409, 423, 425, 429, 5xx but 501, `RequestTimeout`, `SlowDown` | retry, not before Retry-After |
| redirect, or 400 that names another region | pause: the region is wrong |
| 401, 403 | pause: the access key or its rights |
| 404 | pause: no such bucket |
| anything else | pause: the settings are wrong, not the events |
"""

import re
from http import HTTPStatus
from typing import Final

from postroad.destinations.base import Delivered, Pause, Retry, SendResult, Split
from postroad.destinations.http.answer import ServiceAnswer, outcome_of, retry_after

_AGAIN: Final = frozenset({"RequestTimeout", "SlowDown"})
_REGION: Final = re.compile(r"[a-z0-9-]{1,20}")
_BRIEF: Final = 60


def outcome_of_put(name: str, answer: ServiceAnswer, now: int) -> SendResult:
    """Return what became of a file by the table above; `name` is the bucket's, for messages.

    `now` is for a Retry-After that is a date. Code and message are looked for in the excerpt: they come first.
    """
    status, excerpt = answer.status, answer.excerpt
    code = _member("Code", excerpt)
    words = ": ".join(part for part in (code, _member("Message", excerpt)) if part)[:_BRIEF]
    said = f"{status} {words}".rstrip()
    if code in _AGAIN or status == HTTPStatus.CONFLICT:
        return Retry(f"{name} answered {said}", retry_after(answer.headers.get("Retry-After"), now), status, excerpt)
    outcome = outcome_of(answer, now)
    if isinstance(outcome, Delivered) and "ETag" in answer.headers:
        return outcome
    if isinstance(outcome, Retry | Split):
        return outcome._replace(why=f"{name} answered {said}")
    return Pause(_why(name, answer, said), status, excerpt)


def _why(name: str, answer: ServiceAnswer, said: str) -> str:
    """Say what is wrong and what to do about it, in less than 200 characters."""
    status = answer.status
    region = answer.headers.get("x-amz-bucket-region") or _member("Region", answer.excerpt)
    region = region if _REGION.fullmatch(region) else ""
    if 300 <= status < 400 or (status == HTTPStatus.BAD_REQUEST and region):  # noqa: PLR2004 -- the table above
        return f"{name} is in another region ({said}): set s3_region" + (f' = "{region}"' if region else "")
    if status in {401, 403}:
        return f"{name} does not let us write ({said}): check the access key and its rights"
    if status == HTTPStatus.NOT_FOUND:
        return f"{name} is not there ({said}): create it, or correct url or s3_endpoint"
    if status < 300:  # noqa: PLR2004 -- the table above
        return f"{name} answered {said} without an ETag: is s3_endpoint really storage?"
    return f"{name} refuses files ({said}): check url, s3_region and s3_endpoint"


def _member(name: str, text: str) -> str:
    found = re.search(f"<{name}>([^<]*)", text)
    return found[1].strip() if found else ""
