"""The headers of a fact are a CloudEvents 1.0 envelope in Kafka's binary mode, as the published document says; seen failing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec
import pytest

from deploy.contracts.asyncapi import asyncapi
from deploy.contracts.schemas import tag_of
from shared.contract.codec import fact_headers
from shared.contract.facts import CustomerFact, Fact
from shared.contract.topics import CUSTOMER_EVENTS
from shared.instants import parse_instant
from tests.contract.test_golden import golden

FACTS: tuple[type[Fact], ...] = get_args(CustomerFact)
REQUIRED = ("id", "source", "specversion", "type")
"""Attributes that CloudEvents 1.0 requires; each must be a text that is not empty."""
ATTRIBUTE = re.compile(r"^ce_[a-z0-9]{1,20}$")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

each_fact = pytest.mark.parametrize("model", FACTS, ids=[tag_of(model) for model in FACTS])


def breaches(headers: Sequence[tuple[str, bytes]]) -> list[str]:
    """What CloudEvents 1.0 and its Kafka binding would object to."""
    found = {name: value.decode() for name, value in headers}
    said = ["a name twice"] if len(found) != len(headers) else []
    said += [f"ce_{name} is missing or empty" for name in REQUIRED if not found.get(f"ce_{name}")]
    said += [f"{name}: no attribute name" for name in found if name.startswith("ce_") and not ATTRIBUTE.match(name)]
    if found.get("ce_specversion") != "1.0":
        said.append("ce_specversion is not 1.0")
    if re.search(r"\s", found.get("ce_source", "")):
        said.append("ce_source is no URI reference")
    if not found.get("content-type"):
        said.append("content-type is missing")
    return said


def fact(model: type[Fact]) -> Fact:
    return msgspec.json.decode(golden(CUSTOMER_EVENTS, model), type=model)


@each_fact
def test_the_headers_of_a_fact_are_a_cloud_event(model: type[Fact]) -> None:
    given = fact(model)
    headers = fact_headers(given)
    found = dict(headers)
    assert breaches(headers) == []
    assert found["ce_id"].decode() == given.id
    assert urlsplit(found["ce_source"].decode()).geturl() == given.source
    assert found["ce_type"].decode() == f"huitou.{tag_of(model)}.v1"
    assert parse_instant(found["ce_time"].decode()) == given.at
    assert found["content-type"] == b"application/json"


def test_a_fact_without_a_source_still_names_one() -> None:
    headers = fact_headers(msgspec.structs.replace(fact(FACTS[0]), source=""))
    assert breaches(headers) == []


@each_fact
def test_the_published_document_names_the_headers_that_are_sent(model: type[Fact]) -> None:
    document: dict[str, Any] = asyncapi("0")
    schema = document["components"]["schemas"]["CloudEventsHeaders"]
    message = document["channels"][CUSTOMER_EVENTS.name]["messages"][tag_of(model)]
    assert message["headers"] == {"$ref": "#/components/schemas/CloudEventsHeaders"}
    assert sorted(dict(fact_headers(fact(model)))) == sorted(schema["required"])
    assert sorted(dict(fact_headers(fact(model), TRACE))) == sorted(schema["properties"])


@pytest.mark.parametrize(
    ("planted", "breach"),
    [
        ({"ce_source": None}, "ce_source is missing or empty"),
        ({"ce_id": b""}, "ce_id is missing or empty"),
        ({"ce_specversion": b"0.3"}, "ce_specversion is not 1.0"),
        ({"ce_source": b"web shop"}, "ce_source is no URI reference"),
        ({"ce_Trace": b"1"}, "ce_Trace: no attribute name"),
        ({"content-type": None}, "content-type is missing"),
    ],
)
def test_headers_that_are_no_cloud_event_are_seen(planted: dict[str, bytes | None], breach: str) -> None:
    headers = dict(fact_headers(fact(FACTS[0]))) | planted
    assert breaches([(name, value) for name, value in headers.items() if value is not None]) == [breach]
