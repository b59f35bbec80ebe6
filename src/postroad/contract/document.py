"""From bytes to one JSON object, in bounded time and memory, before anything is interpreted."""

import re

import msgspec
from msgspec import Raw

from postroad.contract.limits import DEPTH, EVENT_BYTES
from postroad.contract.split import depth_of
from postroad.contract.violations import Code, Problem

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
# As far as a surrogate that is not the first of a pair, over pairs and all other escapes.
_HALF = re.compile(
    rb"(?:[^\\]++|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\(?!u[dD][89a-fA-F]).)*+\\(u[dD][89a-fA-F][0-9a-fA-F]{2})",
    re.DOTALL,
)


def check_text(body: bytes) -> Problem | None:
    """Return what is wrong with a body before its JSON is looked at: not UTF-8, or nested too deeply."""
    return check_encoding(body) or check_depth(body)


def check_encoding(body: bytes, what: str = "the body") -> Problem | None:
    """Return what is wrong with a body that is not UTF-8. `what` it is goes into the sentence."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return Problem("", Code.NOT_JSON, f"{what} is not UTF-8 at byte {error.start}; send JSON in UTF-8")
    return None


def check_depth(body: bytes, most: int = DEPTH) -> Problem | None:
    """Return what is wrong with a body that is nested more than `most` deep."""
    if body.count(b"{") + body.count(b"[") > most and depth_of(body) > most:
        return _too_deep()
    return None


def parse_object(body: bytes, what: str = "the body") -> dict[str, Raw] | Problem:
    """Return the members of a JSON object, each as the bytes it came with, or why it is none.

    Of a member that is there twice the last one counts. Expects a body that passed `check_encoding`. `what` it is
    goes into the sentence.
    """
    try:
        return _OBJECT.decode(body)
    except RecursionError:  # the parser counts its own depth
        return _too_deep()
    except msgspec.ValidationError:
        return Problem("", Code.NOT_AN_OBJECT, f"{what} is not a JSON object; send one call as one object")
    except msgspec.DecodeError as error:
        if not body.strip():
            return Problem("", Code.NOT_JSON, f"{what} is empty; send one call as a JSON object")
        return Problem("", Code.NOT_JSON, f"{what} is not JSON: {_reason(body, error)}")


def _too_deep() -> Problem:
    return Problem("", Code.TOO_DEEP, f"objects and arrays are nested more than {DEPTH} deep; flatten the body")


def _reason(body: bytes, error: msgspec.DecodeError) -> str:
    # Of a batch each item is told for itself. Looking through all of it would hold everybody up for tenths of a second.
    half = _HALF.match(body) if len(body) <= EVENT_BYTES else None
    if half is not None:
        return f"a text holds half a character, \\{half[1].decode()}; it was cut in the middle of a surrogate pair"
    return str(error).removeprefix("JSON is malformed: ")
