"""Counts the whole-stack starts of a session over all its workers, and says at the end how many there were, and where."""

from __future__ import annotations

import os
from collections import Counter
from functools import wraps
from typing import Any, Final

import pytest

from deploy.stack.stack import Stack

KEY: Final = "stack_starts"
_started: Final[list[str]] = []
"""File of the test that was under way at each start."""


def note() -> None:
    """A stack has started: of this process, or by a launcher that the test started."""
    _started.append(os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0])


class Starts:
    """A plugin for controller and workers."""

    def __init__(self) -> None:
        self._of_workers: list[str] = []

    def pytest_sessionstart(self) -> None:
        start = Stack.__aenter__

        @wraps(start)
        async def counted(stack: Stack) -> Stack:
            running = await start(stack)
            note()
            return running

        Stack.__aenter__ = counted  # type: ignore[method-assign, assignment]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[KEY] = list(_started)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._of_workers += getattr(node, "workeroutput", {}).get(KEY, [])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if found := Counter(self._of_workers + _started):
            where = ", ".join(f"{file} {count}" for file, count in sorted(found.items()))
            terminalreporter.line(f"whole-stack starts: {found.total()} ({where})")
