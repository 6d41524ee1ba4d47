"""What the importer counts: rows of finished files, and groups once, however often a job is taken up again."""

from __future__ import annotations

import msgspec
import pytest

from services.ingest.imports.importer_process import Counts
from services.ingest.imports.report import Report, Tally
from services.ingest.imports.table import Found
from shared.telemetry.registry import Registry


class Seen:
    """Counts whose series can be read."""

    def __init__(self) -> None:
        registry = Registry("importer")
        self.counts = Counts(registry)
        self._registry = registry.registry

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)


@pytest.fixture
def seen() -> Seen:
    return Seen()


def report() -> Report:
    empty = Tally().report(
        name="a.csv", sha256="", size=0, found=Found(format="csv"), kind="orders", columns={}, unused=[]
    )
    return msgspec.structs.replace(empty, rows=10, used=6, skipped={"no order": 2, "returned": 1}, refused=1)


def test_everything_begins_at_nothing(seen: Seen) -> None:
    assert [seen("huitou_import_rows_total", result=one) for one in ("used", "skipped", "refused")] == [0, 0, 0]
    assert [seen("huitou_import_jobs_total", outcome=one) for one in ("done", "refused", "waiting")] == [0, 0, 0]


def test_rows_of_a_finished_file_count_by_what_became_of_them(seen: Seen) -> None:
    seen.counts.done(report())

    assert [seen("huitou_import_rows_total", result=one) for one in ("used", "skipped", "refused")] == [6, 3, 1]
    assert seen("huitou_import_jobs_total", outcome="done") == 1


def test_what_an_earlier_try_has_sent_counts_no_more(seen: Seen) -> None:
    for sent in (0, 70):  # the second try begins where the first one stopped
        seen.counts.start(100)
        seen.counts.advance(sent, "")
        seen.counts.advance(50 if sent == 0 else 30, "")
        seen.counts.advance(20 if sent == 0 else 0, "the chain is behind, waiting")
        seen.counts.ended("waiting" if sent == 0 else "done")

    assert seen("huitou_import_groups_total") == 100
    assert seen("huitou_import_jobs_total", outcome="waiting") == 1
