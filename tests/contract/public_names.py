"""Names that others rely on, read from the code: topics, fields, routes, commands, environment, tables, state schemas.

public_names.json holds those that were ever promised; `python -m tests.contract.public_names` prints it with the new ones.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from pydantic_settings import BaseSettings

from services.console import tables as console_tables
from services.ingest import openapi
from services.notifier import tables as notifier_tables
from services.profile.state import State as ProfileState
from services.segmenter.state import Customer as SegmenterState
from services.trigger_engine.state import State as TriggerState
from shared.contract.topics import TOPICS
from shared.engine.state.stored import Links, PartitionValues
from shared.language.policy import policy_schema

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_suffix(".json")
_VARIABLE = re.compile(r"\bHUITOU_[A-Z][A-Z0-9_]*[A-Z0-9]\b")
_PATH = re.compile(r"^/(v1|api|hooks|u|static|fragments|letters|openapi|receipts)\b[\w{}/.:-]*$")
_ROUTE_CALLS = frozenset({"get", "post", "put", "delete", "patch", "options", "add_api_route", "mount", "Route"})


def names() -> dict[str, list[str]]:
    """Kind of name → the names, sorted."""
    found = {
        "topics": {f"{topic.name} x {topic.partitions}" for topic in TOPICS},
        "record fields": set(_record_fields()),
        "policy fields": set(_schema_fields(policy_schema())),
        "state fields": set(_state_fields()),
        "routes": set(_routes()),
        "commands": set(_commands()),
        "environment": set(_environment()),
        "tables": set(_tables()),
    }
    return {kind: sorted(each) for kind, each in found.items()}


def _record_fields() -> Iterator[str]:
    for topic in TOPICS:
        for model in topic.models:
            shape: Any = model
            yield f"{topic.name} {shape.__struct_config__.tag}"
            for field in msgspec.structs.fields(shape):
                yield f"{topic.name} {shape.__struct_config__.tag} .{field.encode_name}"


def _schema_fields(schema: dict[str, Any]) -> Iterator[str]:
    for name, shape in schema["$defs"].items():
        yield from (f"{name}.{field}" for field in shape.get("properties", {}))


def _state_fields() -> Iterator[str]:
    """Array-like structs: the place of a field is a part of the schema."""
    states: dict[str, Any] = {"profile": ProfileState, "segmenter": SegmenterState, "trigger_engine": TriggerState}
    engine: dict[str, Any] = {"links": Links, "partition values": PartitionValues}
    for name, state in (states | engine).items():
        yield from (f"{name} {place} {field.name}" for place, field in enumerate(msgspec.structs.fields(state)))


def _routes() -> Iterator[str]:
    for path, operations in openapi.document()["paths"].items():
        yield from (f"{method.upper()} {path}" for method in operations if method in _ROUTE_CALLS)
    for file in sorted((ROOT / "services").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _PATH.match(node.value):
                yield node.value


def _commands() -> Iterator[str]:
    for top in ("services", "deploy"):
        for file in sorted((ROOT / top).rglob("__main__.py")):
            module = ".".join(file.parent.relative_to(ROOT).parts)
            yield module
        for file in sorted((ROOT / top).rglob("*.py")):
            yield from _words(file)


def _words(file: Path) -> Iterator[str]:
    service = ".".join(file.relative_to(ROOT).parts[:2])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            word = node.args[0]
            if node.func.attr == "add_parser" and isinstance(word, ast.Constant):
                yield f"{service} … {word.value!s}"
        elif (
            isinstance(node, ast.AnnAssign)
            and ast.unparse(node.target) == "COMMANDS"
            and isinstance(node.value, ast.Dict)
        ):
            yield from (f"{service} … {str(ast.literal_eval(key)).split(' ')[0]}" for key in node.value.keys if key)


def _environment() -> Iterator[str]:
    """Imports every module that declares settings, so the answer depends on no other test."""
    for top in ("deploy", "services", "shared"):
        for file in sorted((ROOT / top).rglob("*.py")):
            if "(BaseSettings)" in file.read_text(encoding="utf-8"):
                importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    for settings in BaseSettings.__subclasses__():
        prefix = settings.model_config.get("env_prefix", "")
        if settings.__module__.split(".")[0] in {"deploy", "services", "shared"}:
            yield from (f"{prefix}{field}".upper() for field in settings.model_fields)
    files = [
        ROOT / "docker-compose.yml",
        *(file for top in ("deploy", "services", "shared") for file in (ROOT / top).rglob("*.py")),
    ]
    for file in files:
        yield from _VARIABLE.findall(file.read_text(encoding="utf-8"))


def _tables() -> Iterator[str]:
    for module in (console_tables, notifier_tables):
        for value in vars(module).values():
            if type(value).__name__ == "Table":
                yield from (f"{value.fullname}.{column.name}" for column in value.columns)


def promised() -> dict[str, list[str]]:
    """The golden list: kind of name → every name that a version had."""
    return msgspec.json.decode(GOLDEN.read_bytes(), type=dict[str, list[str]])


if __name__ == "__main__":
    ever = {kind: sorted({*promised().get(kind, ()), *found}) for kind, found in names().items()}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(ever), indent=1).decode() + "\n")
