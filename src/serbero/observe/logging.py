"""Logs: event names and fields, for people on a terminal, as JSON lines for machines.

Every module logs through ``structlog.get_logger(__name__)``: an event name, then fields (ids,
counts, reasons). Libraries that use :mod:`logging` come out in the same form.
"""

import logging
import os
import sys
import threading
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from serbero.clock import Clock, SystemClock
from serbero.observe.directives import LogFilter, parse_directives
from serbero.observe.redaction import one_line, redact

LogFormat = Literal["auto", "console", "json"]

_LEVEL_NUMBERS: Final = logging.getLevelNamesMapping()


def configure_logging(
    directives: str,
    log_format: LogFormat = "auto",
    stream: TextIO | None = None,
    *,
    clock: Clock | None = None,
) -> None:
    """Send every log line of this process to ``stream``; may be called again.

    Args:
        directives: a level or a filter, see :mod:`serbero.observe.directives`. What cannot be
            read in it is dropped, with one warning.
        log_format: ``json`` is one object a line, for machines; ``console`` is for people, in
            colour on a terminal; ``auto`` is ``console`` on a terminal and ``json`` elsewhere.
        stream: standard output where none is given.
        clock: stamps the lines; the machine's clock where none is given.
    """
    target = sys.stdout if stream is None else stream
    if log_format == "auto":
        log_format = "console" if target.isatty() else "json"
    wanted = parse_directives(directives)
    stamp = _Stamp(clock or SystemClock(), "milliseconds" if log_format == "json" else "seconds")
    structlog.configure(
        processors=[
            _Threshold(wanted),
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.processors.add_log_level,
            stamp,
            structlog.processors.StackInfoRenderer(),
            # Before the redaction, so that a traceback is searched as well. Plain: a renderer
            # that shows local variables would show keys.
            structlog.processors.format_exc_info,
            redact,
            *_renderers(log_format, target),
        ],
        # structlog knows no level above critical; the threshold knows "off".
        wrapper_class=structlog.make_filtering_bound_logger(min(wanted.lowest, logging.CRITICAL)),
        logger_factory=_Lines(target),
        # Loggers are module globals; a cached one would not follow a second call of this.
        cache_logger_on_first_use=False,
    )
    _adopt_standard_logging(wanted)
    if wanted.dropped:
        structlog.get_logger(__name__).warning(
            "log_directives_dropped",
            dropped=list(wanted.dropped),
            expected="level or target=level; trace, debug, info, warn, error, off",
        )


def _renderers(log_format: LogFormat, stream: TextIO) -> list[Processor]:
    if log_format == "json":
        return [_json_order, structlog.processors.JSONRenderer(ensure_ascii=True)]
    colors = stream.isatty() and "NO_COLOR" not in os.environ
    console = structlog.dev.ConsoleRenderer(
        colors=colors,
        exception_formatter=structlog.dev.plain_traceback,
        pad_event_to=0,
        sort_keys=False,
    )
    return [one_line, console]


class _Stamp:
    """Processor: adds ``timestamp``, UTC in ISO 8601."""

    def __init__(self, clock: Clock, precision: Literal["seconds", "milliseconds"]) -> None:
        self._clock = clock
        self._precision = precision

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        moment = datetime.fromtimestamp(self._clock.time(), UTC)
        event["timestamp"] = moment.isoformat(timespec=self._precision).replace("+00:00", "Z")
        return event


class _Threshold:
    """Processor: drops what the filter does not want; first, so that nothing is spent on it."""

    def __init__(self, wanted: LogFilter) -> None:
        self._wanted = wanted
        self._known: dict[str, int] = {}

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        name = logger.name
        threshold = self._known.get(name)
        if threshold is None:
            threshold = self._known.setdefault(name, self._wanted.threshold(name))
        level = logging.ERROR if method == "exception" else _LEVEL_NUMBERS[method.upper()]
        if level < threshold:
            raise structlog.DropEvent
        return event


def _json_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: when, how bad, what, where, then the fields as they were given."""
    first: EventDict = {key: event.pop(key) for key in ("timestamp", "level", "event", "logger")}
    first.update(event)
    return first


class _Lines:
    """Makes one writer a logger name; all share the stream and a lock."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, name: str = "serbero", *_args: object) -> "_Writer":
        return _Writer(name, self)

    def write(self, line: str) -> None:
        """Write one entry. A log that cannot be written never stops the work it is about."""
        with self._lock:
            try:
                try:
                    self._stream.write(line + "\n")
                except UnicodeEncodeError:
                    # Lone surrogates of a peer, or a terminal that knows ASCII alone.
                    encoding = self._stream.encoding or "ascii"
                    plain = line.encode(encoding, "backslashreplace").decode(encoding)
                    self._stream.write(plain + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                # The pipe's reader is gone, the disk behind it is full, or the stream closed.
                return


class _Writer:
    """What structlog wraps: a name and a way out; one method a level."""

    def __init__(self, name: str, lines: _Lines) -> None:
        self.name = name
        self._lines = lines

    def msg(self, message: str) -> None:
        """Write one rendered entry."""
        self._lines.write(message)

    log = debug = info = warn = warning = error = critical = exception = fatal = msg


class _FromStandardLogging(logging.Handler):
    """Hands the records of libraries to structlog, under their own logger names."""

    def __init__(self, wanted: LogFilter) -> None:
        super().__init__()
        self._wanted = wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Log ``record``; formatting mistakes of a library cost its arguments, nothing else."""
        if record.levelno < self._wanted.threshold(record.name):
            return
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        level = max(logging.DEBUG, min(logging.CRITICAL, record.levelno // 10 * 10))
        structlog.get_logger(record.name).log(level, message, exc_info=record.exc_info)


def _adopt_standard_logging(wanted: LogFilter) -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _FromStandardLogging)]:
        root.removeHandler(handler)
    root.addHandler(_FromStandardLogging(wanted))
    root.setLevel(wanted.lowest)
