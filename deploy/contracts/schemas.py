"""The records of the topics, and the policy document, as JSON Schema; knows the table and the models, writes no file."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec

from shared.contract.topics import TOPICS, Topic
from shared.language.policy import policy_schema

Document = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, Document]:
    """File name → JSON Schema (2020-12): one of each topic that has models, and that of the policy document."""
    found = {f"{topic.name}.schema.json": _topic_schema(topic) for topic in TOPICS if topic.models}
    policy = {"$schema": DIALECT, "$id": "urn:huitou:schema:policy", "title": "policy"}
    return found | {"policy.schema.json": policy | policy_schema()}


def tag_of(model: type[msgspec.Struct]) -> str:
    """What a record of this model says in `type`; TypeError for a model without a tag."""
    tag = model.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{model.__name__}: a record of a topic needs a tag")
    return tag


def summary_of(model: type) -> str:
    """The first line of its docstring."""
    return (inspect.getdoc(model) or "").partition("\n")[0]


def draft_07_schemas(models: Iterable[type], ref_template: str) -> dict[str, Document]:
    """Class name → schema in the words of draft 07, which AsyncAPI's own schema object extends."""
    _, components = msgspec.json.schema_components(list(dict.fromkeys(models)), ref_template=ref_template)
    return {name: _draft_07(components[name]) for name in sorted(components)}


def _topic_schema(topic: Topic) -> Document:
    refs, definitions = msgspec.json.schema_components(topic.models, ref_template="#/$defs/{name}")
    return {
        "$schema": DIALECT,
        "$id": f"urn:huitou:schema:{topic.name}",
        "title": topic.name,
        "description": f"The value of a record. Key: {topic.key}.",
        "oneOf": list(refs),
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _draft_07(node: Any) -> Any:
    """Tuples by `items` instead of `prefixItems`; without `discriminator`, which means another thing in AsyncAPI."""
    if isinstance(node, dict):
        return {
            "items" if word == "prefixItems" else word: _draft_07(value)
            for word, value in node.items()
            if not (word == "discriminator" and "propertyName" in value)
        }
    return [_draft_07(each) for each in node] if isinstance(node, list) else node
