"""The table of all series: name, kind, labels, meaning and the processes that have it. docs/operations.md repeats it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]

HOPS: Final = ("profile", "segmenter", "trigger-engine")
READERS: Final = (*HOPS, "notifier", "console")
PROCESSES: Final = (*HOPS, "cuts", "notifier", "console", "ingest", "importer", "clock")
"""Every process that answers, by its name in deploy/stack/plan.py."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of a histogram of seconds."""


class Series(msgspec.Struct, frozen=True):
    """One series. Label values are bounded: topics, partitions, states, codes; never a customer, rule or address."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    of: tuple[str, ...]
    """Processes that register it."""
    meaning: str


SERIES: Final = (
    Series("huitou_build_info", "gauge", ("version",), PROCESSES, "1; the version of the code"),
    Series("huitou_healthy", "gauge", (), PROCESSES, "1 while /healthz answers 200, 0 while the process hangs"),
    Series("huitou_ready", "gauge", (), PROCESSES, "1 while /readyz answers 200"),
    Series(
        "huitou_input_records_total",
        "counter",
        ("topic",),
        (*READERS, "cuts"),
        "records read and taken, ticks and poison included",
    ),
    Series("huitou_input_ticks_total", "counter", ("topic",), HOPS, "ticks among them that moved the clock"),
    Series(
        "huitou_lag_records",
        "gauge",
        ("topic", "partition"),
        READERS,
        "records that wait in a partition, without ticks",
    ),
    Series(
        "huitou_lag_seconds", "gauge", ("topic", "partition"), READERS, "for how long the oldest of them has waited"
    ),
    Series("huitou_assigned_partitions", "gauge", (), READERS, "partitions that the consumer group gave the process"),
    Series("huitou_owned_partitions", "gauge", (), HOPS, "partitions recovered and served"),
    Series(
        "huitou_batch_seconds",
        "histogram",
        (),
        READERS,
        "from the fetch of a batch until its effects are stored; engine: per partition",
    ),
    Series("huitou_poison_records_total", "counter", (), READERS, "records that could not be taken"),
    Series(
        "huitou_poison_balance",
        "gauge",
        (),
        (*HOPS, "notifier"),
        "failures beyond successes over the process's partitions; at 500 it stops",
    ),
    Series(
        "huitou_dead_letters_total", "counter", (), (*HOPS, "notifier"), "dead letters handed over to dead-letters-v1"
    ),
    Series(
        "huitou_output_records_total",
        "counter",
        ("topic",),
        (*HOPS, "notifier", "ingest"),
        "records acknowledged by the broker, changelogs included",
    ),
    Series(
        "huitou_decisions_total",
        "counter",
        ("verdict", "reason"),
        ("trigger-engine",),
        "decisions on candidates; docs/semantics.md lists the reasons",
    ),
    Series(
        "huitou_deliveries_total",
        "counter",
        ("channel", "state"),
        ("notifier",),
        "commands that reached a state which outreach-decisions-v1 tells",
    ),
    Series("huitou_outbox_rows", "gauge", ("state",), ("notifier",), "commands in the outbox, counted every 15 s"),
    Series(
        "huitou_provider_outcomes_total",
        "counter",
        ("channel", "call", "outcome"),
        ("notifier",),
        "answers of providers; call: send or look_up",
    ),
    Series("huitou_projected_rows_total", "counter", ("table",), ("console",), "rows written to the console's tables"),
    Series("huitou_cuts_published_total", "counter", (), ("cuts",), "epochs whose cuts were broadcast"),
    Series(
        "huitou_import_rows_total",
        "counter",
        ("result",),
        ("importer",),
        "rows of finished imports; result: used, skipped or refused",
    ),
    Series("huitou_import_groups_total", "counter", (), ("importer",), "orders or rows sent to the log by imports"),
    Series(
        "huitou_import_jobs_total",
        "counter",
        ("outcome",),
        ("importer",),
        "wishes worked off; outcome: done, refused or waiting (the broker was away)",
    ),
    Series("huitou_clock_ticks_total", "counter", (), ("clock",), "ticks acknowledged, one per partition and second"),
    Series(
        "huitou_clock_timestamp_seconds",
        "gauge",
        (),
        ("clock",),
        "the instant that the latest acknowledged ticks tell, Unix time; 0 before the first",
    ),
)


def series_of(process: str) -> tuple[Series, ...]:
    """The series that the process registers, in the order of the table; empty for a process without a listener."""
    return tuple(series for series in SERIES if process in series.of)
