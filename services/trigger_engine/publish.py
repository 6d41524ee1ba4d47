"""Publish a policy: read and check the document, then tell every partition; knows files and the broker, no customer."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiokafka.errors import KafkaError, KafkaTimeoutError

from shared import clock
from shared.contract.broadcasts import PolicyPublished
from shared.contract.codec import cloud_event, encode
from shared.contract.topics import CUSTOMER_EVENTS
from shared.kafka.clients import producer
from shared.language.check import parse_policy
from shared.log import Log

RETRY_SECONDS: Final = 1.0

_log = Log("trigger_engine.publish")


async def publish_policy(bootstrap: str, document: Any) -> int:
    """Put the policy into force; returns its version once every partition has acknowledged it, and tries until then.

    ValueError if the document is none. Publishing the same version again changes nothing.
    """
    version = parse_policy(document).version
    value = encode(PolicyPublished(number=version, document=document))
    headers = cloud_event("policy.published", id=f"policy-{version}", source="policy", at=clock.now_ms())
    left = set(range(CUSTOMER_EVENTS.partitions))
    while left:
        try:
            async with producer(bootstrap) as client:
                for partition in sorted(left):
                    await client.send_and_wait(CUSTOMER_EVENTS.name, value, partition=partition, headers=headers)
                    left.discard(partition)
        except KafkaError as error:
            if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                raise
            cause = type(error).__name__
            _log.warning("policy not acknowledged yet", version=version, partitions=len(left), error=cause)
            await asyncio.sleep(RETRY_SECONDS)
    _log.info("policy published", version=version, partitions=CUSTOMER_EVENTS.partitions)
    return version
