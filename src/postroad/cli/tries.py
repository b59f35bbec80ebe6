"""The tries that failed, as `show` and `dead show` print them."""

from collections.abc import Sequence

from postroad.cli.output import NEW_LINE, say, say_lines, when
from postroad.operations.story import Try


def say_tries(failed: Sequence[Try]) -> None:
    """Print when each was, what was answered and what came back: a trace has many lines."""
    for tried in failed:
        status = f" {tried.status}" if tried.status else ""
        first, _, more = tried.why.partition(NEW_LINE)
        say(f"  {when(tried.at)}{status} {first}")
        for text in (more, tried.answer):
            if text:
                say_lines(text, "    ")
