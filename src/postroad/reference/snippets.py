"""A request as people write it: in curl, Python and Node.

The snippets hold marks, `SERVER`, `HOST` and `KEY`, for what the reader chooses, and start the line that turns on
strict mode with `STRICT`: the page makes them changeable, and `plain` fills them in.
"""

import json
from typing import Any, Final, NamedTuple

SERVER: Final = "\ue000server\ue001"
HOST: Final = "\ue000host\ue001"
KEY: Final = "\ue000key\ue001"
STRICT: Final = "\ue002"

_PYTHON_WORDS: Final = {True: "True", False: "False", None: "None"}
_INDENT: Final = "    "


class Exchange(NamedTuple):
    """A request to show: `path` may hold `{key}`, `body` is None for a GET."""

    method: str
    path: str
    body: dict[str, Any] | None


def snippets(exchange: Exchange) -> dict[str, str]:
    """Return the request in each language, by the language's name."""
    return {"curl": _curl(exchange), "Python": _python(exchange), "Node": _node(exchange)}


def plain(snippet: str, server: str, key: str) -> str:
    """Return a snippet ready to run, in strict mode."""
    host = server.partition("://")[2]
    return snippet.replace(SERVER, server).replace(HOST, host).replace(KEY, key).replace(STRICT, "")


def as_json(value: object, indent: int = 2) -> str:
    """Return a value as JSON for people."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _url(exchange: Exchange) -> str:
    return SERVER + exchange.path.replace("{key}", KEY)


def _curl(exchange: Exchange) -> str:
    if exchange.body is None:
        return f"curl {_url(exchange)}"
    quoted = as_json(exchange.body).replace("'", "'\\''")
    lines = [
        f"curl {_url(exchange)} \\",
        f"  --user '{KEY}:' \\",
        f"{STRICT}  --header 'X-Strict-Mode: 1' \\",
        "  --header 'Content-Type: application/json' \\",
        f"  --data '{quoted}'",
    ]
    return "\n".join(lines)


def _python(exchange: Exchange) -> str:
    if exchange.body is None:
        call = [f'answer = requests.get("{_url(exchange)}", timeout=10)']
    else:
        call = [
            "answer = requests.post(",
            f'    "{_url(exchange)}",',
            f'    auth=("{KEY}", ""),',
            f'{STRICT}    headers={{"X-Strict-Mode": "1"}},',
            f"    json={_literal(exchange.body, _INDENT)},",
            "    timeout=10,",
            ")",
        ]
    return "\n".join(["import requests", "", *call, "print(answer.status_code, answer.text)"])


def _literal(value: object, indent: str) -> str:
    """Write a JSON value as Python does."""
    inner = indent + _INDENT
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(name)}: {_literal(each, inner)},\n" for name, each in value.items()]
        return "{\n" + "".join(rows) + indent + "}" if rows else "{}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{inner}{_literal(each, inner)},\n" for each in value) + indent + "]"
    if value is None or isinstance(value, bool):
        return _PYTHON_WORDS[value]
    return json.dumps(value, ensure_ascii=False)


def _node(exchange: Exchange) -> str:
    if exchange.body is None:
        call = [f'const answer = await fetch("{_url(exchange)}");']
    else:
        body = as_json(exchange.body).replace("\n", "\n  ")
        call = [
            f'const answer = await fetch("{_url(exchange)}", {{',
            '  method: "POST",',
            "  headers: {",
            f'    "Authorization": "Basic " + btoa("{KEY}:"),',
            '    "Content-Type": "application/json",',
            f'{STRICT}    "X-Strict-Mode": "1",',
            "  },",
            f"  body: JSON.stringify({body}),",
            "});",
        ]
    return "\n".join([*call, "console.log(answer.status, await answer.text());"])
