"""The command line: one file a verb."""

import os
import sys

from typer import Abort, TyperException

from postroad.cli.program import NOT_SO, UNREACHABLE, WRONG, program
from postroad.errors import ConfigError, PostroadError, StoreVersion, UsageError


def main() -> None:
    """Run the command line and exit; see `program` for what the exit status means."""
    try:
        status = _run()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = NOT_SO
    sys.exit(status)


def _run() -> int:
    try:
        status = program()(prog_name="postroad", standalone_mode=False)
    except TyperException as error:
        return _complain(error.format_message(), getattr(error, "exit_code", WRONG))
    except Abort:
        return _complain("stopped; nothing was changed", NOT_SO)
    except (ConfigError, UsageError, StoreVersion) as error:  # trying again ends the same way
        return _complain(str(error), WRONG)
    except PostroadError as error:
        return _complain(str(error), UNREACHABLE)
    return status if isinstance(status, int) else 0


def _complain(sentences: str, status: int) -> int:
    print(f"postroad: {sentences}" if "\n" not in sentences else sentences, file=sys.stderr)  # noqa: T201
    return status
