"""Guards are taken out of those services that have them, by a program under tests/ alone."""

from __future__ import annotations

import enum
import sys
from typing import Any

import pytest

from tests.chaos.mutations import MUTATIONS
from tests.support import unguarded
from tests.support.unguarded import WORDS, entries

ENGINE = ("profile", "segmenter", "trigger-engine")


def test_a_rule_is_taken_out_of_every_service_of_the_engine() -> None:
    found = {service: entry.arguments for service, entry in entries(("MARKS", "FENCE")).items()}

    assert found == {service: (service, "--off", "FENCE,MARKS") for service in ENGINE}


def test_gates_and_guards_are_taken_out_of_the_service_that_has_them() -> None:
    found = {service: entry.arguments[2] for service, entry in entries(("age", "EXPIRY", "expired")).items()}

    assert found == {"trigger-engine": "age,expired", "notifier": "EXPIRY"}


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_takes_something_out(name: str) -> None:
    assert entries(MUTATIONS[name].off)


def test_with_nothing_taken_out_the_services_run_as_they_are() -> None:
    assert entries(()) == {}


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ValueError, match="off: LUCK unknown"):
        entries(("FENCE", "LUCK"))


@pytest.mark.parametrize(
    ("service", "words", "given"),
    [
        ("profile", "FENCE,MARKS", {"off": {"FENCE", "MARKS"}}),
        ("segmenter", "POISON", {"off": {"POISON"}}),
        ("trigger-engine", "POISON,age", {"off": {"POISON"}, "gates_off": {"age"}}),
        ("notifier", "LEDGER,DOUBT", {"off": {"LEDGER", "DOUBT"}}),
    ],
)
def test_the_service_is_given_what_is_taken_out_and_none_of_the_words(
    monkeypatch: pytest.MonkeyPatch, service: str, words: str, given: dict[str, Any]
) -> None:
    got: dict[str, Any] = {}

    def main(*, off: frozenset[enum.Enum], **more: Any) -> None:
        got.update(more, off={one.name for one in off}, words=sys.argv[1:])

    monkeypatch.setattr(f"services.{service.replace('-', '_')}.__main__.main", main)
    monkeypatch.setattr(sys, "argv", ["unguarded", service, "--off", words])
    unguarded.main()

    assert got == {"words": [], **given}


@pytest.mark.parametrize(("service", "word"), [("profile", "age"), ("notifier", "FENCE"), ("segmenter", "")])
def test_a_service_without_that_guard_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], service: str, word: str
) -> None:
    assert word not in WORDS[service]
    monkeypatch.setattr(sys, "argv", ["unguarded", service, "--off", word])
    with pytest.raises(SystemExit, match="2"):
        unguarded.main()
    assert f"{service} has no {word}" in capsys.readouterr().err
