"""`postroad keys`: making write keys, and showing the token of the metrics."""

import re
from typing import Annotated, Final

import typer

from postroad.cli.options import AsJson, ConfigFile, group, read_config
from postroad.cli.output import say, say_json
from postroad.config import key_hash, new_key, read_admin_token
from postroad.config.defaults import TOKEN_FILE
from postroad.config.loading import FIRST_REGION
from postroad.errors import StoreUnavailable, UsageError
from postroad.web.local import METRICS
from postroad.web.token import AdminToken

_REGION: Final = re.compile(r"[a-z0-9-]{1,64}")

app = group("Make write keys, and show the token of the metrics.")


@app.command("new")
def new(
    *,
    region: Annotated[str, typer.Option(help="The region it is for: a part of the key that people can read.")] = (
        FIRST_REGION
    ),
    publishable: Annotated[bool, typer.Option("--publishable", help="For a browser or a mobile app.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a write key, and show what to put into the configuration. It is kept nowhere."""
    if not _REGION.fullmatch(region):
        raise UsageError("a region's name has small letters, digits and hyphens")
    key = new_key(region, publishable=publishable)
    digest = key_hash(key)
    lines = [f'write_key_sha256 = "{digest}"', *(["public = true"] if publishable else [])]
    if as_json:
        say_json({"key": key, "sha256": digest, "toml": "\n".join(lines)})
        return
    say(f"key     {key}")
    say(f"sha256  {digest}")
    say("")
    say("In the source's table of the configuration:")
    say("")
    for line in lines:
        say(f"  {line}")


@app.command("metrics")
def metrics(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the token for GET /metrics, on both addresses and nothing else: what a scraper gets.

    It is made of the admin token, and changes with it.
    """
    data_dir = read_config(config).server.data_dir
    admin = read_admin_token(data_dir)
    if admin is None:
        raise StoreUnavailable(f"there is no {data_dir / TOKEN_FILE}: no server has been started here")
    token = AdminToken(lambda: admin).of(METRICS).text
    if as_json:
        say_json({"path": METRICS, "token": token})
    else:
        say(token)
