"""A report and a forecast as sentences for whoever ran the command. Knows words; counts nothing."""

from __future__ import annotations

from typing import Any

from services.ingest.imports.jobs import Shown
from services.ingest.imports.report import Report
from shared.instants import format_instant
from shared.shop import Shop

ERRORS_SHOWN = 20


def summary(report: Report, shop: Shop) -> list[str]:
    """The sentences that close an import."""
    lines = [f"rows read: {report.rows}"]
    if report.orders or report.kind == "orders":
        lines += [
            f"orders: {report.orders} ({report.lines} lines)",
            f"refunds: {report.refunds} ({report.return_lines} lines)",
            f"customers: {report.customers}",
            f"revenue: {_money(report.revenue, shop)} {shop.currency}",
        ]
    else:
        lines += [f"customers: {report.customers}"]
        lines += [f"{kind}: {count}" for kind, count in report.facts.items()]
    lines += [f"skipped, {reason}: {count} rows" for reason, count in report.skipped.items()]
    return lines + [f"refused, {reason}: {count} rows" for reason, count in report.reasons.items()]


def shown(found: Shown, digest: str, shop: Shop) -> list[str]:
    """Everything that a dry run found."""
    report = found.report
    how = ", ".join(part for part in (report.found.encoding, repr(report.found.delimiter)[1:-1]) if part)
    lines = [
        f"file: {report.name} ({report.found.format}{f', {how}' if how else ''}{', gzip' if report.found.packed else ''})",
        "columns: " + ", ".join(f"{field} = {column}" for field, column in report.columns.items()),
    ]
    if report.unused:
        lines.append(f"not used: {', '.join(report.unused)}")
    lines += summary(report, shop)
    if report.earliest is not None and report.latest is not None:
        lines.append(f"from {format_instant(report.earliest)} to {format_instant(report.latest)}")
    lines += [_error(one.row, one.column, one.reason, one.value) for one in report.errors[:ERRORS_SHOWN]]
    lines += [f"first: {one}" for one in report.first]
    lines += _forecast(found.forecast) if found.forecast else [f"no forecast: {found.forecast_note}"]
    return [*lines, f"digest: {digest}  (import with --yes {digest}: what falls due from now on may fire)"]


def _error(row: int, column: str, reason: str, value: str) -> str:
    place = f"row {row}, {column}" if column else f"row {row}"
    return f"{place}: {reason}" + (f" ({value})" if value else "")


def _forecast(found: dict[str, Any]) -> list[str]:
    share = f", estimated from {found['looked_at']}" if found["looked_at"] < found["customers"] else ""
    lines = [f"forecast for {found['days']} days, {found['customers']} customers{share}:"]
    for move, by_days in found["moves"].items():
        lines.append(f"  {move}: " + ", ".join(f"{count} within {days} d" for days, count in by_days.items()))
    if found["policy"] is None:
        return [*lines, "  no policy is in force: nobody would be contacted"]
    for rule, fates in found["rules"].items():
        lines.append(f"  rule {rule}: " + ", ".join(f"{count} {fate}" for fate, count in fates.items()))
    if found["busiest"]:
        lines.append(f"  busiest day: {found['busiest']['day']} with {found['busiest']['messages']} messages")
    return lines


def _money(units: int, shop: Shop) -> str:
    digits = f"{units:0{shop.exponent + 1}d}"
    return f"{digits[: -shop.exponent]}.{digits[-shop.exponent :]}" if shop.exponent else digits
