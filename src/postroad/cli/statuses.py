"""What the exit statuses of the command line mean."""

from typing import Final

NOT_SO: Final = 1
WRONG: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130

MEANINGS: Final = {
    0: "it is done, and it is so",
    NOT_SO: "what was asked for is not so: not found, not accepted, the books don't balance",
    WRONG: "the command line or the configuration is wrong, or the data is of a newer Postroad; nothing was done",
    UNREACHABLE: "the server can't be reached, or the data folder can't be read",
    INTERRUPTED: "interrupted with Ctrl-C",
}
