"""The same rows as UTF-8, GB18030, gzip and XLSX become the same records: and so the same states.

HUITOU_IMPORT_WHOLE=1 takes the whole Online Retail file instead of its first rows (minutes: Excel files are slow to read).
"""

from __future__ import annotations

import csv
import gzip
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.imports.limits import COMMAND
from services.ingest.imports.vocabulary import Kind
from tests.support.data import data_directory
from tests.support.import_files import RETAIL, Outcome, csv_bytes, read, same, write_xlsx

FILE = data_directory() / "online_retail.csv.gz"
FIRST = None if os.environ.get("HUITOU_IMPORT_WHOLE") else 3_000


def facts_of(outcome: Outcome) -> list[tuple[str, bytes]]:
    return [(topic, value) for topic, _, _, value, _ in outcome.records]


@pytest.mark.data
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not FILE.is_file(), reason="the online_retail data set is not here; HUITOU_DATA names its folder")
def test_a_real_file_in_four_formats_gives_the_same_records(tmp_path: Path) -> None:
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as content:
        header, *rows = itertools.islice(csv.reader(content), None if FIRST is None else FIRST + 1)
    raw = csv_bytes(header, rows)
    files = {name: tmp_path / name / "file" for name in ("utf-8", "gb18030", "gzip", "xlsx")}
    for file in files.values():
        file.parent.mkdir()
    files["utf-8"].write_bytes(b"\xef\xbb\xbf" + raw)
    files["gb18030"].write_bytes(raw.decode().replace(",United Kingdom", ",英国").encode("gb18030"))
    files["gzip"].write_bytes(gzip.compress(raw))
    write_xlsx(files["xlsx"], [header, *([*row[:3], int(row[3]), row[4], float(row[5]), *row[6:]] for row in rows)])
    found = {name: read(file, returns=True, limits=COMMAND) for name, file in files.items()}
    assert found["gb18030"].report.found.encoding == "gb18030"
    assert found["utf-8"].report.orders > (100 if FIRST else 18_000)
    for outcome in found.values():
        assert facts_of(outcome) == facts_of(found["utf-8"])
        assert same(outcome.report) == same(found["utf-8"].report)


rows = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3", "C4", "", "5"]), st.sampled_from(["p", "q"]), st.sampled_from(["1", "2", "x", "-3", "0"]),
        st.sampled_from(["2025-01-02", "2025-01-03 10:00:00", "soon"]), st.sampled_from(["1", "2.5", "0", "¥3", "no"]),
        st.sampled_from(["m1", "m2", "", "guest", "138****1234"]),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.randoms(use_true_random=False), st.booleans())
def test_counts_add_up_and_the_order_of_rows_changes_no_fact(
    tmp_path: Path,
    lines: list[tuple[str, ...]],
    chance: object,
    returns: bool,  # noqa: FBT001
) -> None:
    file = tmp_path / "rows.csv"
    columns = dict(zip(("order", "product", "quantity", "at", "price", "member"), RETAIL, strict=True))
    outcomes = []
    for _ in range(2):
        file.write_bytes(csv_bytes(RETAIL, lines))
        outcomes.append(read(file, kind=Kind.ORDERS, columns=columns, returns=returns))
        chance.shuffle(lines)  # type: ignore[attr-defined]
    for outcome in outcomes:
        report = outcome.report
        empty = sum(not any(line) for line in lines)
        assert report.used + sum(report.skipped.values()) + report.refused == report.rows == len(lines) - empty
        assert report.refused == sum(report.reasons.values())
    amounts = [sorted((fact.at, fact.id, fact.amount) for _, fact in outcome.facts) for outcome in outcomes]
    assert amounts[0] == amounts[1]
