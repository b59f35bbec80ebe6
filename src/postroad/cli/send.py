"""`postroad send`: one event to a running server."""

import secrets
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import typer

from postroad.cli.client import ApiAnswer, call_headers, decoded, post
from postroad.cli.options import AsJson, ConfigFile, WriteKey, check_call, read_config, verb, write_key
from postroad.cli.output import say, say_json
from postroad.cli.program import NOT_SO, UNREACHABLE
from postroad.contract.calls import TYPES
from postroad.errors import UsageError

_TIMEOUT = 30.0

_Body = Annotated[str | None, typer.Argument(metavar="[-]", help="With - the whole event is read from stdin, as JSON.")]
_Type = Annotated[str, typer.Option("--type", metavar="CALL", help=f"Which call: {', '.join(TYPES)}.")]
_Event = Annotated[str | None, typer.Option(metavar="NAME", help="The event's name.")]
_User = Annotated[str | None, typer.Option(metavar="ID", help="Its userId.")]
_Properties = Annotated[
    list[str] | None, typer.Option("--property", metavar="KEY=TEXT", help="One property; may be given many times.")
]
_Context = Annotated[str | None, typer.Option(metavar="JSON", help="Its context.")]
_Integrations = Annotated[str | None, typer.Option(metavar="JSON", help="Its integrations.")]
_MessageId = Annotated[str | None, typer.Option(metavar="ID", help="Its messageId; one is made when it is left out.")]
_Timestamp = Annotated[str | None, typer.Option(metavar="TIME", help="When it happened, RFC 3339.")]
_Strict = Annotated[
    bool, typer.Option("--strict/--permissive", help="Refuse what breaks the contract, or take it and note it.")
]


def send(
    body: _Body = None,
    *,
    type_name: _Type = "track",
    event: _Event = None,
    user: _User = None,
    properties: _Properties = None,
    context: _Context = None,
    integrations: _Integrations = None,
    message_id: _MessageId = None,
    timestamp: _Timestamp = None,
    key: WriteKey = None,
    strict: _Strict = True,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send one event to a running server.

    For example: postroad send --event "Email Delivered" --user u1 --property email_id=m1
    """
    check_call(type_name)
    members = {
        "type": type_name,
        "messageId": message_id,
        "userId": user,
        "event": event,
        "properties": _pairs(properties or ()),
        "context": _json("--context", context),
        "integrations": _json("--integrations", integrations),
        "timestamp": timestamp,
    }
    given = {name: value for name, value in members.items() if value is not None}
    content = _content(body, given)
    found = read_config(config)
    headers = call_headers(write_key(key, found), strict=strict)
    answer = post(found.server, f"/v1/{type_name}", content, headers, _TIMEOUT)
    _tell(answer, None if body else str(given["messageId"]), as_json=as_json)


def _content(body: str | None, given: dict[str, Any]) -> bytes:
    if body is None:
        given.setdefault("messageId", f"cli-{secrets.token_hex(16)}")
        return msgspec.json.encode(given)
    if body != "-":
        raise UsageError(f"{body!r} is neither an option nor -, which reads the event from stdin")
    if given.keys() - {"type"}:
        raise UsageError("with - the whole event comes from stdin; of the options, only --type may say something of it")
    return sys.stdin.buffer.read()


def _pairs(pairs: Sequence[str]) -> dict[str, str] | None:
    found = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"--property {pair!r}: write it as name=text")
        found[name] = text
    return found or None


def _json(option: str, text: str | None) -> Any:
    try:
        return None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise UsageError(f"{option}: {error}") from error


def _tell(answer: ApiAnswer, message_id: str | None, *, as_json: bool) -> None:
    violations = int(answer.headers.get("x-postroad-violations", "0"))
    body = decoded(answer.body)
    if as_json:
        say_json({"status": answer.status, "messageId": message_id, "violations": violations, "body": body})
    else:
        _tell_people(answer, body, message_id, violations)
    if answer.status != HTTPStatus.OK:
        server_side = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise typer.Exit(UNREACHABLE if server_side else NOT_SO)


def _tell_people(answer: ApiAnswer, body: Any, message_id: str | None, violations: int) -> None:
    if answer.status == HTTPStatus.OK:
        noted = f", with {violations} violations noted" if violations else ""
        named = f"; messageId {message_id}" if message_id else ""
        say(f"200 {answer.body.decode()}{noted}{named}")
        return
    error = body if isinstance(body, dict) else {"message": answer.body.decode("utf-8", "replace")}
    say(f"{answer.status} {error.get('message', '')}")
    meta = error.get("meta")
    for sentence in meta.get("errors", ()) if isinstance(meta, dict) else ():
        if sentence != error.get("message"):
            say(f"  {sentence}")


app = verb(send)
