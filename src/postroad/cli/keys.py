"""`postroad keys`: making write keys."""

import re
from typing import Annotated, Final

import typer

from postroad.cli.options import AsJson, group
from postroad.cli.output import say, say_json
from postroad.config import key_hash, new_key
from postroad.config.loading import FIRST_REGION
from postroad.errors import UsageError

_REGION: Final = re.compile(r"[a-z0-9-]{1,64}")

app = group("Make write keys.")


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
