"""Creates the topics of the product, or says what is different about those there; knows the broker, not what they mean.

usage: python -m deploy.create_topics
(HUITOU_KAFKA: bootstrap servers; HUITOU_REPLICATION: copies of each partition, default 1)
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contract.topics import TOPICS

ALREADY_EXISTS = 36
POLL_SECONDS = 0.05
READY_WITHIN_SECONDS = 30.0


class TopicError(RuntimeError):
    """A topic cannot be created, or is there in another shape."""


class Declared(Protocol):
    """What a topic must say about itself."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def partitions(self) -> int:
        """How many, for ever."""

    @property
    def config(self) -> dict[str, str]:
        """Settings of the topic as Kafka names them."""


class Settings(BaseSettings):
    """Where to create them."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    kafka: str
    replication: int = 1


async def create(bootstrap: str, topics: Iterable[Declared] = TOPICS, *, replication: int = 1) -> None:
    """Create what is missing, bring settings up to date, and return when each partition has a leader.

    TopicError if a topic exists with another number of partitions: that is never changed in place.
    """
    wanted = list(topics)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        fresh = [
            NewTopic(each.name, each.partitions, replication_factor=replication, topic_configs=each.config)
            for each in wanted
        ]
        for name, code, *rest in (await admin.create_topics(fresh)).topic_errors:
            if code not in {0, ALREADY_EXISTS}:
                raise TopicError(f"{name}: {rest[0] or for_code(code).description}")
        await asyncio.wait_for(_until_led(admin, wanted), READY_WITHIN_SECONDS)
        resources = [ConfigResource(ConfigResourceType.TOPIC, each.name, configs=each.config) for each in wanted]
        for answer in await admin.alter_configs(resources):
            for code, message, _, name in answer.resources:
                if code != 0:
                    raise TopicError(f"{name}: settings refused: {message}")
    finally:
        await admin.close()


async def _until_led(admin: AIOKafkaAdminClient, wanted: list[Declared]) -> None:
    while True:
        found = {each["topic"]: each for each in await admin.describe_topics([each.name for each in wanted])}
        if all(_led(found.get(each.name), each) for each in wanted):
            return
        await asyncio.sleep(POLL_SECONDS)


def _led(found: dict[str, Any] | None, topic: Declared) -> bool:
    """Whether every partition has a leader."""
    if found is None or found["error_code"] != 0:
        return False
    partitions = found["partitions"]
    if len(partitions) != topic.partitions:
        raise TopicError(
            f"{topic.name}: has {len(partitions)} partitions, {topic.partitions} are declared; a count is never changed"
        )
    return all(each["leader"] >= 0 for each in partitions)


if __name__ == "__main__":
    given = Settings()
    asyncio.run(create(given.kafka, replication=given.replication))
