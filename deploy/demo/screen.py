"""The verdict as tables in the terminal; computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.demo.verdict import Verdict


def show(console: Console, verdict: Verdict, extra: Mapping[str, Any]) -> None:
    """Checks, rules, population, and where there is one the comparison with the published figures."""
    checks = Table("check", "compared", "different", "written again", title="oracle beside chain", title_justify="left")
    for name, check in verdict.checks.items():
        colour = "red" if check["failures"] else "green"
        checks.add_row(name, str(check["compared"]), f"[{colour}]{check['failures']}[/{colour}]", str(check["repeats"]))
    rules = Table("rule", "commands", "decisions", title="rules", title_justify="left")
    for rule, reasons in verdict.decisions.items():
        told = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items(), key=lambda pair: -pair[1]))
        rules.add_row(rule, str(verdict.commands.get(rule, 0)), told)
    for table in (checks, rules):
        console.print(table)
    console.print(
        f"customers {verdict.customers}, orders {verdict.orders}, classes {verdict.classes}, stages {verdict.stages}"
    )
    console.print(
        f"outbox {verdict.outbox}, accepted by the sandbox {verdict.accepted}, duplicates {verdict.duplicates}"
    )
    if extra:
        figures = Table("figure", "expected", "got", title="Online Retail at 2011-12-10", title_justify="left")
        for name, (expected, got) in extra["figures"].items():
            figures.add_row(name, str(expected), str(got))
        console.print(figures)
        console.print(f"customers that differ: {len(extra['differences'])} of {extra['customers']}")
