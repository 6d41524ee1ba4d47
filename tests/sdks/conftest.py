"""Prints the table when the SDKs were tried."""

from __future__ import annotations

import pytest

from tests.sdks.table import PROPERTY, lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found]
    verdicts = {
        tuple(str(value).split("\t"))
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY
    }
    if verdicts:
        terminalreporter.section("SDKs")
        for line in lines((sdk, column, verdict) for sdk, column, verdict in sorted(verdicts)):
            terminalreporter.line(line)
