"""Log lines as an event with key-values; knows no message content and no personal data."""

from __future__ import annotations

import logging
import sys


class Log:
    """`log.info("recovered", partition=3, customers=120)` prints `recovered partition=3 customers=120`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **values: object) -> None:
        """What happens in the normal course."""
        self._logger.info(_line(event, values))

    def warning(self, event: str, **values: object) -> None:
        """What somebody may want to look at."""
        self._logger.warning(_line(event, values))

    def error(self, event: str, **values: object) -> None:
        """What somebody must look at."""
        self._logger.error(_line(event, values))


def _line(event: str, values: dict[str, object]) -> str:
    shown = (f"{name}={str(value).encode('unicode_escape').decode()}" for name, value in values.items())
    return " ".join((event, *shown))


def setup(level: str = "INFO") -> None:
    """One line per event on standard error; clients' own chatter only from warnings on."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(name)s %(message)s")
    for noisy in ("aiokafka", "kafka", "uvicorn.access", "httpx2", "alembic", "sqlalchemy"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
