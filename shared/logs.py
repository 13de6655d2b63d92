"""One form for our lines and the libraries', on stderr; trouble that goes on is a line a minute, not a flood."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import structlog

from shared.pseudonyms import Pseudonyms
from shared.settings import ServiceSettings

# Every reconnect attempt is a line there; readiness says the same once.
NOISY = ("aiokafka", "faust", "mode", "uvicorn.error", "httpx")
REPEAT_SECONDS = 60.0

Kind = tuple[str, int, str]


class Repeats(logging.Filter):
    """Lets one line of a kind through in `seconds`; the next one says how many were left out.

    A kind is a logger, a level and a message before its values are filled in; of our own lines, the event and what it
    is about.
    """

    ABOUT = ("dependency", "topic", "stage", "partition")
    # Messages that a library has filled in already are kinds without end.
    MOST_KINDS = 1000

    def __init__(self, seconds: float = REPEAT_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds, self._clock = seconds, clock
        # When one was last let through, and how many were not since.
        self._said: dict[Kind, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        kind, now = self._kind(record), self._clock()
        said_at, left_out = self._said.get(kind, (-math.inf, 0))
        if now - said_at < self._seconds:
            self._said[kind] = (said_at, left_out + 1)
            return False
        if len(self._said) >= self.MOST_KINDS:
            self._said = {k: said for k, said in self._said.items() if now - said[0] < self._seconds}
        self._said[kind] = (now, 0)
        if left_out:
            _add_count(record, left_out)
        return True

    def _kind(self, record: logging.LogRecord) -> Kind:
        said: Any = record.msg
        if isinstance(said, dict):
            return record.name, record.levelno, str([said.get(name) for name in ("event", *self.ABOUT)])
        return record.name, record.levelno, str(said)


def _add_count(record: logging.LogRecord, left_out: int) -> None:
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "left_out": left_out}
    else:
        record.msg = f"{record.getMessage()} (and {left_out} more like this)"
        record.args = None


def configure_logs(settings: ServiceSettings, service: str) -> None:
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        Pseudonyms(settings.log_key.get_secret_value() if settings.log_key is not None else None),
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.bind_contextvars(service=service)
