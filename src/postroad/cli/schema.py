"""`postroad schema`: what an editor needs to complete and check postroad.toml."""

from postroad import registry
from postroad.cli.options import verb
from postroad.cli.output import say_bytes
from postroad.config.schema import json_schema


def schema() -> None:
    """Print the JSON schema of postroad.toml, with the types that are installed here.

    Editors take it as a file: write it to postroad.schema.json, and `#:schema ./postroad.schema.json` as the first
    line of postroad.toml. A running server has it at /postroad.schema.json. `postroad check` finds more than it.
    """
    say_bytes(json_schema(registry.catalogue()))


app = verb(schema)
