"""Log lines as an event with key-values, one JSON object a line; never message content or personal data."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

# structlog imports rich for tracebacks on terminals, which nobody sees here: 0.14 s of CPU and 8 MB of each process.
_RICH = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

del sys.modules["rich"]
if _RICH is not None:
    sys.modules["rich"] = _RICH

from shared.instants import format_instant  # noqa: E402

NOISY = ("aiokafka", "kafka", "uvicorn.access", "httpx2", "alembic", "sqlalchemy")
"""Libraries of which only warnings and worse are shown."""


class Log:
    """`log.info("recovered", partition=3, customers=120)`: an event of a level, with its values as fields."""

    def __init__(self, name: str) -> None:
        # Bound to its processors here: a line written before `setup` goes to logging's own handlers, not to stdout.
        self._logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
            logging.getLogger(name),
            processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            wrapper_class=structlog.stdlib.BoundLogger,
        )

    def info(self, event: str, **values: object) -> None:
        """What happens in the normal course."""
        self._logger.info(event, **values)

    def warning(self, event: str, **values: object) -> None:
        """What somebody may want to look at."""
        self._logger.warning(event, **values)

    def error(self, event: str, **values: object) -> None:
        """What somebody must look at."""
        self._logger.error(event, **values)

    def fatal(self, event: str, error: BaseException) -> None:
        """The last words of a process: the traceback stands in the field `exception` of the one line."""
        self._logger.critical(event, exc_info=error)


def setup(level: str = "INFO", *, service: str = "", instance: str = "") -> None:
    """One line per event on standard error, of ours and of every library: JSON, or text where that is a terminal.

    May be called again, with the names that the first call lacked.
    """
    formatter = _formatter(service, instance, human=sys.stderr.isatty())
    root = logging.getLogger()
    ours = [each for each in root.handlers if isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)]
    if not root.handlers:
        ours = [logging.StreamHandler(sys.stderr)]
        root.addHandler(ours[0])
        root.setLevel(level)
    for handler in ours:
        handler.setFormatter(formatter)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _formatter(service: str, instance: str, *, human: bool) -> logging.Formatter:
    common = {name: value for name, value in (("service", service), ("instance", instance)) if value}

    def ordered(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Time, level, logger and names first; an event's own values never replace them."""
        record: logging.LogRecord = event.pop("_record")
        del event["_from_structlog"]
        at = format_instant(int(record.created * 1000))
        first = {"time": at, "level": record.levelname.lower(), "logger": record.name} | common
        return first | {"event": event.pop("event")} | {name: event[name] for name in event if name not in first}

    shown = _line if human else structlog.processors.JSONRenderer(serializer=_json)
    return structlog.stdlib.ProcessorFormatter(processors=[structlog.processors.format_exc_info, ordered, shown])


def _json(event: structlog.typing.EventDict, **_: Any) -> str:
    """ASCII, so that no terminal takes a value for a command and every line is one line."""
    return json.dumps(event, default=str)


def _line(_: Any, __: str, event: structlog.typing.EventDict) -> str:
    """`2026-11-22T05:29:23.148Z W profile slow partition=3`, control characters escaped."""
    words = [event.pop(name) for name in ("time", "level", "logger", "event")]
    trace = event.pop("exception", "")
    words[1] = words[1][0].upper()
    words += [f"{name}={value}" for name, value in event.items() if name not in {"service", "instance"}]
    line = " ".join(str(word).encode("unicode_escape").decode() for word in words)
    return f"{line}\n{trace}" if trace else line
