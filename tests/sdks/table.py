"""The table SDK × call × result. Knows verdicts; measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CALLS = ("identify", "track", "page", "screen", "group", "alias")
COLUMNS = (*CALLS, "gzip", "503, then again", "cut after acceptance")
PROPERTY = "sdk-verdict"
"""Name under which a test reports (SDK, column, verdict)."""

Verdicts = Iterable[tuple[str, str, str]]


def lines(verdicts: Verdicts) -> list[str]:
    """The table in Markdown; what was not tried shows "–"."""
    rows: dict[str, Mapping[str, str]] = {}
    for sdk, column, verdict in verdicts:
        rows[sdk] = {**rows.get(sdk, {}), column: verdict}
    head = ("SDK", *COLUMNS)
    body = [(sdk, *(found.get(column, "–") for column in COLUMNS)) for sdk, found in sorted(rows.items())]
    return ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *body)]
