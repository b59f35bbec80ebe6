"""Structured logs on standard error: JSON for machines, text on a terminal."""

import contextlib
import io
import logging
import sys
from typing import TextIO, cast

import structlog

from postroad import __version__
from postroad.config.model import Config


class _Unfailing(io.TextIOBase):
    """Standard error, where a line that can't be written is lost: the disk that it goes to may be the one that
    is full, and then what matters is to go on answering.
    """

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configured(config: Config) -> dict[str, object]:
    """Return what the line of a start says: the version, and what is configured by name."""
    return {
        "version": __version__,
        "data_dir": str(config.server.data_dir),
        "bind": str(config.server.bind),
        "admin_bind": str(config.server.admin_bind),
        "regions": list(config.regions),
        "sources": list(config.sources),
        "destinations": list(config.destinations),
    }


def configure_logs(level: str, form: str, role: str) -> None:
    """Set up structlog for this process. `form` is `json`, `text` or `auto` (text on a terminal)."""
    out = cast("TextIO", _Unfailing())  # it has all that is used of one
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if text:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the rich one takes about a second
        )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if not text:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=processors))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
