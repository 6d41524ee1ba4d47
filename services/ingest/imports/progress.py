"""Shows how far an import is: a bar on a terminal, plain lines elsewhere. Knows numbers only."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINES: Final = 20
"""Plain lines for a whole import."""


@final
class ImportProgress:
    """A context manager; the console decides whether it is a bar."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("[bold]importing 导入"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._total = self._sent = self._shown = 0
        self._note = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, total: int) -> None:
        """See sending.Progress."""
        self._total = total
        self._task = self._bar.add_task("", total=total)

    def advance(self, sent: int, note: str) -> None:
        """See sending.Progress."""
        self._sent += sent
        if self._console.is_terminal:
            assert self._task is not None
            self._bar.update(self._task, advance=sent, description=note)
        else:
            self._line(note)

    def _line(self, note: str) -> None:
        step = self._sent * LINES // max(1, self._total)
        if step != self._shown or (note and not self._note):
            self._console.print(f"importing {self._sent}/{self._total} {note}".rstrip(), highlight=False)
        self._shown, self._note = step, note
