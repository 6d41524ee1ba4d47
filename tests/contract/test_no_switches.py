"""No setting of the product takes a guard out, and no part of the product passes one that is out."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[2]
SWITCH = re.compile(r"HUITOU_\w*_OFF\b|NAIVE_SEND")
FIELD = re.compile(r"(^|_)OFF$|NAIVE")
ARGUMENTS = {"off", "gates_off"}
FILES = sorted(file for top in ("deploy", "services", "shared") for file in (ROOT / top).rglob("*") if file.is_file())
CODE = [file for file in FILES if file.suffix == ".py"]
PRODUCT = [file for file in CODE if not {"bench", "chaos", "hostile", "oracle"} & set(file.relative_to(ROOT).parts)]


def test_no_file_names_a_variable_that_takes_a_guard_out() -> None:
    files = [*FILES, ROOT / "docker-compose.yml", ROOT / "Makefile"]
    named = [file for file in files if SWITCH.search(file.read_text(encoding="utf-8", errors="ignore"))]

    assert len(CODE) > 200
    assert named == []


@pytest.mark.parametrize("line", ["HUITOU_RULES_OFF: FENCE", 'env["HUITOU_GATES_OFF"]', "HUITOU_NAIVE_SEND=1"])
def test_such_a_variable_is_found(line: str) -> None:
    assert SWITCH.search(line)


def test_no_settings_have_a_field_that_takes_a_guard_out() -> None:
    for file in PRODUCT:
        if "BaseSettings" in file.read_text(encoding="utf-8"):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    classes = [one for one in _below(BaseSettings) if one.__module__.split(".")[0] in {"deploy", "services", "shared"}]
    variables = {variable for one in classes for variable in _variables(one)}

    assert {"HUITOU_KAFKA", "HUITOU_LEASE_SECONDS", "HUITOU_EPOCH_MS", "HUITOU_SANDBOX_HTTP_PORT"} <= variables
    assert [variable for variable in sorted(variables) if FIELD.search(variable)] == []


def test_such_a_field_is_found() -> None:
    class Switched(BaseSettings):
        rules_off: str = ""
        naive_send: bool = False

    assert [variable for variable in _variables(Switched) if FIELD.search(variable)] == ["RULES_OFF", "NAIVE_SEND"]


def test_the_product_hands_on_what_is_off_and_sets_nothing() -> None:
    found = {file.relative_to(ROOT).as_posix(): list(_set(file.read_text(encoding="utf-8"))) for file in PRODUCT}

    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "call",
    ["KafkaHost(f, s, off={Rule.FENCE})", "main(off=of(os.environ))", 'TriggerFold(s, gates_off=frozenset(["age"]))'],
)
def test_a_call_that_takes_a_guard_out_is_found(call: str) -> None:
    assert list(_set(f"x = 1\n{call}\n")) == [2]
    assert list(_set("KafkaHost(f, s, off=off)\nStore(e, off=self._off)\n")) == []


def _below(parent: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for one in parent.__subclasses__():
        yield one
        yield from _below(one)


def _variables(settings: type[BaseSettings]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        yield f"{settings.model_config.get('env_prefix', '')}{name}".upper()
        if isinstance(field.validation_alias, str):
            yield field.validation_alias.upper()


def _set(source: str) -> Iterator[int]:
    """Lines of calls that give `off` or `gates_off` anything but a name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in ARGUMENTS and not isinstance(keyword.value, ast.Name | ast.Attribute):
                    yield node.lineno
