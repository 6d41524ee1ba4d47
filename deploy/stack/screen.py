"""One screen for whoever runs the stack: what runs, where, how far behind; starts and stops nothing."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from deploy.stack.stack import Stack

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
STATES = {
    "running": "green",
    "starting": "yellow",
    "waiting": "yellow",
    "stopping": "yellow",
    "stopped": "dim",
    "failed": "red",
}


def colour(name: str, names: tuple[str, ...]) -> str:
    """The colour of a service's log lines; the same for the life of the stack."""
    return COLOURS[names.index(name) % len(COLOURS)] if name in names else "white"


def render(stack: Stack, lags: dict[str, dict[str, int]]) -> Group:
    """Processes, addresses and lags as rich draws them."""
    return Group(
        _processes(stack), _addresses(stack), _lags(lags), Text("Ctrl-C stops everything in order.", style="dim")
    )


def _processes(stack: Stack) -> Table:
    table = Table(
        "process", "state", "pid", "restarts", "log", title="Huitou · 回头", title_justify="left", title_style="bold"
    )
    for name in stack.supervisor.names:
        status = stack.supervisor.status(name)
        pid = stack.supervisor.pid(name)
        log = stack.supervisor.log(name).relative_to(stack.directory)
        table.add_row(
            name, Text(status, style=STATES[status]), str(pid or "-"), str(stack.supervisor.restarts(name)), str(log)
        )
    return table


def _addresses(stack: Stack) -> Table:
    table = Table.grid(padding=(0, 2))
    running = stack.supervisor.names
    rows = (
        ("console", "console", stack.console_url),
        ("ingest", "ingest", stack.http_url),
        ("sandbox", "providers' sandbox", stack.sandbox_url),
        ("postgres", "database", stack.database_url),
    )
    table.add_column()
    table.add_column(overflow="fold")
    table.add_row("Kafka", stack.kafka)
    for name, title, address in rows:
        if name in running:
            table.add_row(title, address)
    table.add_row("Prometheus targets", str(stack.metrics.file))
    table.add_row("data, logs, secrets", str(stack.directory))
    table.add_row("write key", str(stack.secrets.write_key))
    table.add_row("for commands", f"set -a; . {stack.directory / 'env'}; set +a")
    return table


def _lags(lags: dict[str, dict[str, int]]) -> Table:
    table = Table("group", "topic", "lag")
    for group, topics in lags.items():
        for topic, lag in sorted(topics.items()):
            table.add_row(group, topic, f"{lag:,}")
    return table
