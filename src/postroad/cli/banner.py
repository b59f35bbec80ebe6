"""What `postroad serve` prints: where everything is, and a call to try."""

import asyncio
import shlex
import shutil
import sys
from http import HTTPStatus
from pathlib import Path

import typer

from postroad import __version__
from postroad.cli.client import Unreachable, get
from postroad.clock import Clock
from postroad.config import FirstStart
from postroad.config.defaults import KEY_FILE, TOKEN_FILE
from postroad.config.loading import FILE_HERE
from postroad.config.model import Config
from postroad.web.local import ingest_url, url_of

_EVENT = """{
  "userId": "user_12345",
  "type": "track",
  "event": "Email Delivered",
  "properties": {"email_id": "msg_abc123", "email_subject": "Your weekly newsletter"},
  "context": {"traits": {"email": "user@example.com"}}
}"""
_LOOK_EVERY = 0.2
_LOOKS = 150


def banner(start: FirstStart, file: Path | None) -> str:
    """Return the banner. The write key is in it only when this start made it."""
    server = start.config.server
    lines = [
        f"Postroad {__version__}",
        f"  ingest       {ingest_url(server)}",
        f"  admin        {url_of(server.admin_bind)} (the token is in {server.data_dir / TOKEN_FILE})",
        f"  data         {server.data_dir.absolute()}",
        f"  settings     {_settings(file)}",
    ]
    if start.created:
        lines.append(f"  write key    {start.key} (shown this once; kept in {server.data_dir / KEY_FILE})")
    return "\n".join([*lines, "", "Try it:", "", _curl(start), "", *_next_steps(file), ""])


def _next_steps(file: Path | None) -> list[str]:
    """Say how the other verbs are called from another shell, and where settings go."""
    program = Path(sys.executable).with_name("postroad")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    name = "postroad" if shutil.which("postroad") else shlex.quote(str(program))
    lines = ["Next, in another shell:", "", f"  {name} status", f"  {name} tail"]
    activate = program.with_name("activate")
    if name != "postroad" and activate.exists():
        lines.append(f"  source {shlex.quote(str(activate))}     then it is just `postroad`")
    if file is None:
        lines += ["", f"Settings go into postroad.toml in this folder ({Path.cwd()}), which the next start reads."]
    return lines


def _settings(file: Path | None) -> str:
    if file is None:
        return "the defaults; --config FILE to set your own"
    return f"./{file} (found in this folder)" if file == FILE_HERE else str(file)


async def tell_ready(config: Config, clock: Clock) -> None:
    """Print a line once the server says that it accepts events; gives up quietly after half a minute."""
    for _ in range(_LOOKS):
        await clock.sleep(_LOOK_EVERY)
        try:
            answer = await asyncio.to_thread(get, config.server, "/readyz", 1.0)
        except Unreachable:
            continue
        if answer.status == HTTPStatus.OK:
            typer.echo("Ready.")
        if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
            return


def _curl(start: FirstStart) -> str:
    server = start.config.server
    if start.key is None:
        user = "YOUR_WRITE_KEY:"
    elif start.created:
        user = f"{start.key}:"
    else:
        user = f'"$(cat {shlex.quote(str(server.data_dir / KEY_FILE))}):"'
    return (
        f"curl {ingest_url(server)}/v1/track --user {user} --header 'Content-Type: application/json' --data '{_EVENT}'"
    )
