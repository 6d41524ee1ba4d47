"""Bytes ↔ records of every topic, and their CloudEvents headers; knows no topic and no service."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec

from shared.contract.facts import Fact
from shared.contract.front import FrontRecord
from shared.instants import format_instant

Headers = Sequence[tuple[str, bytes]]

encode = msgspec.json.Encoder(decimal_format="number").encode
"""A record as JSON bytes. Decimals stay numbers with their digits."""

decode_front = msgspec.json.Decoder(FrontRecord).decode
"""A record of customer-events-v1; raises msgspec.DecodeError (or UnicodeDecodeError) on anything else."""


def fact_headers(fact: Fact, traceparent: str = "") -> list[tuple[str, bytes]]:
    """CloudEvents 1.0 binary-mode headers of a fact (Kafka binding), with the trace context passed on."""
    headers = cloud_event(fact.__struct_config__.tag, id=fact.id, source=fact.source or "huitou", at=fact.at)
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers


def cloud_event(tag: object, *, id: str, source: str, at: int) -> list[tuple[str, bytes]]:  # noqa: A002 (the standard's word)
    """CloudEvents headers for a record tagged `tag` that happened at `at` (ms)."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", _ce_type(tag)),
        ("ce_time", format_instant(at).encode()),
        ("content-type", b"application/json"),
    ]


@functools.lru_cache(maxsize=256)
def _ce_type(tag: object) -> bytes:
    """There are few tags, and each record carries one."""
    return f"huitou.{tag}.v1".encode()
