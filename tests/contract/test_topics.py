"""The topic table is the architecture: its graph has an order, its names and models keep the rules; each guard is seen failing."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Sequence

import msgspec
import pytest

from shared.contract.topics import (
    DAY,
    LATE,
    PARTITIONS,
    RFM_HISTOGRAMS,
    ROLLED,
    STATEFUL,
    TOPICS,
    Feedback,
    Topic,
    changelog,
)

NAME = re.compile(r"^[a-z]+(-[a-z]+)*-(v[1-9]\d*|changelog)$")


def order_of_services(topics: Sequence[Topic]) -> list[str]:
    """Services in the order in which records pass them; raises graphlib.CycleError on an edge against the stream that is not marked."""
    graph: dict[str, set[str]] = {}
    for topic in topics:
        marked = {edge.producer for edge in topic.feedback}
        for consumer in topic.consumers:
            graph.setdefault(consumer, set()).update(p for p in topic.producers if p not in marked)
    return list(graphlib.TopologicalSorter(graph).static_order())


def test_the_services_stand_in_one_order() -> None:
    order = order_of_services(TOPICS)
    chain = [name for name in order if name in {"ingest", "profile", "segmenter", "trigger_engine", "notifier"}]
    assert chain == ["ingest", "profile", "segmenter", "trigger_engine", "notifier"]


def test_an_unmarked_edge_against_the_stream_is_seen() -> None:
    unmarked = [msgspec.structs.replace(topic, feedback=()) for topic in TOPICS]
    with pytest.raises(graphlib.CycleError):
        order_of_services(unmarked)


def test_every_feedback_mark_names_a_producer_of_its_topic_and_a_reason() -> None:
    assert _bad_marks(TOPICS) == []
    planted = msgspec.structs.replace(TOPICS[0], feedback=(Feedback(producer="public", reason=""),))
    assert _bad_marks([planted]) == ["customer-events-v1: public"]


def _bad_marks(topics: Sequence[Topic]) -> list[str]:
    return [
        f"{t.name}: {edge.producer}"
        for t in topics
        for edge in t.feedback
        if edge.producer not in t.producers or not edge.reason
    ]


def test_names_are_hyphenated_and_end_in_a_version() -> None:
    assert [topic.name for topic in TOPICS if not NAME.match(topic.name)] == []
    assert not NAME.match("customer.events_v1")


def test_customer_keyed_topics_have_the_same_partition_count() -> None:
    assert {topic.partitions for topic in TOPICS if topic.key.startswith("customer id")} == {PARTITIONS}


def test_models_are_tagged_and_tags_are_unique_within_a_topic() -> None:
    for topic in TOPICS:
        tags = [model.__struct_config__.tag for model in topic.models if issubclass(model, msgspec.Struct)]
        assert all(tags), topic.name
        assert len(tags) == len(set(tags)), topic.name


def test_t8_no_record_outlives_the_days_of_the_privacy_page() -> None:
    """T8: retention counts from the last record of a segment, so a segment's time and the broker's rounds come on top."""
    days = {"customer-events-v1": 90, "segment-changes-v1": 90, "outreach-decisions-v1": 90}
    days |= {"profile-updates-v1": 7, "segment-updates-v1": 7, "outreach-commands-v1": 14, "provider-receipts-v1": 14}
    days |= {"rejected-events-v1": 30, "dead-letters-v1": 30}
    deleted = {topic.name: topic for topic in TOPICS if topic.config["cleanup.policy"] == "delete"}

    assert set(deleted) == set(days)
    for name, topic in deleted.items():
        longest = int(topic.config["retention.ms"]) + int(topic.config.get("segment.ms", 7 * DAY)) + LATE
        assert longest <= days[name] * DAY, name


def test_t8_every_compacted_topic_about_persons_is_rolled() -> None:
    """T8: changelogs get the record of their partition every few seconds; histograms are about nobody."""
    compacted = {topic.name for topic in TOPICS if topic.config["cleanup.policy"] == "compact"}
    changelogs = {changelog(service).name for service in STATEFUL}

    assert {topic.name for topic in ROLLED} == compacted - changelogs - {RFM_HISTOGRAMS.name}
    assert all(int(topic.config["segment.ms"]) <= DAY // 4 for topic in ROLLED)


def test_changelogs_are_compacted_as_rule_12_says() -> None:
    wanted = {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 << 20),
        "segment.ms": "3600000",
        "min.cleanable.dirty.ratio": "0.2",
        "min.compaction.lag.ms": "600000",
        "max.compaction.lag.ms": "86400000",
    }
    changelogs = [topic for topic in TOPICS if topic.name.endswith("-changelog")]
    assert [topic.name for topic in changelogs] == [
        "profile-changelog",
        "segmenter-changelog",
        "trigger-engine-changelog",
    ]
    assert all(topic.config == wanted for topic in changelogs)
