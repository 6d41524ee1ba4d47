"""Publish a policy: read and check the document, then tell every partition; knows files and the broker, no customer."""

from __future__ import annotations

import hashlib
from typing import Any

from shared import clock
from shared.contract.broadcasts import PolicyPublished
from shared.contract.codec import cloud_event, encode
from shared.contract.topics import CUSTOMER_EVENTS
from shared.ids import event_id
from shared.kafka.broadcast import Broadcast, until_acknowledged
from shared.language.check import parse_policy
from shared.log import Log

_log = Log("trigger_engine.publish")


async def publish_policy(bootstrap: str, document: Any, *, within: float | None = None) -> int:
    """Put the policy into force; returns its version once every partition has acknowledged it, and tries until then.

    ValueError if the document is none; NobodyTookItError where no partition has it after `within` seconds. Publishing the same version again changes nothing.
    """
    version = parse_policy(document).version
    value = encode(PolicyPublished(number=version, document=document))
    name = event_id(CUSTOMER_EVENTS.name, f"policy-{version}", hashlib.sha256(value).hexdigest())
    headers = cloud_event("policy.published", id=name, source="policy", at=clock.now_ms())
    await until_acknowledged(bootstrap, Broadcast(CUSTOMER_EVENTS, value, headers), name="policy", within=within)
    _log.info("policy published", version=version, partitions=CUSTOMER_EVENTS.partitions)
    return version
