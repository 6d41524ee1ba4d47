"""Publish a policy: read and check the document, then tell every partition; knows files and the broker, no customer."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import yaml
from aiokafka.errors import KafkaError, KafkaTimeoutError

from services.trigger_engine.rules import compile_policy
from shared import clock
from shared.contract.broadcasts import PolicyPublished
from shared.contract.codec import cloud_event, encode
from shared.contract.topics import CUSTOMER_EVENTS
from shared.instants import parse_zone
from shared.kafka.clients import producer
from shared.language.policy import Policy, parse_policy
from shared.log import Log
from shared.shop import Shop

RETRY_SECONDS: Final = 1.0

_log = Log("trigger_engine.publish")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values, so that `on` is a name and 21:00 a time of day; no key may stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                problem = f"the key {name!r} stands twice"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _firsts in (
    ("null", r"(?:null|~|)\Z", ["n", "~", ""]),
    ("bool", r"(?:true|false)\Z", ["t", "f"]),
    ("int", r"[-+]?[0-9]+\Z", list("-+0123456789")),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _firsts)


def read_policy_file(path: Path) -> dict[str, Any]:
    """The checked document of a YAML or JSON file; ValueError names the file, the field and the reason."""
    try:
        return check_policy(yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader))  # noqa: S506 (a SafeLoader)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def check_policy(document: Any) -> dict[str, Any]:
    """The document if the engine can work by it; ValueError names the field and the reason."""
    _compiled(document)
    checked: dict[str, Any] = document
    return checked


def _compiled(document: Any) -> Policy:
    policy, shop = parse_policy(document), Shop()
    compile_policy(policy, activated=0, zone=parse_zone(shop.zone), exponent=shop.exponent)
    return policy


async def publish_policy(bootstrap: str, document: Any) -> int:
    """Put the policy into force; returns its version once every partition has acknowledged it, and tries until then.

    ValueError if the document is none. Publishing the same version again changes nothing.
    """
    version = _compiled(document).version
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
