"""The proof runs the parts asked for and says what became of each; the table of ids sees what is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.proof import __main__ as proof
from tests.proof.ids import cases, compared, page
from tests.proof.parts import PARTS, Part, chosen

TESTS = Path(__file__).parents[2]
GOOD = Part(name="good", proves="that Python is there", module=("platform", "--terse"))
BAD = Part(name="bad", proves="nothing", module=("tests.proof.no_such_module",))


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal on which nothing is wrapped."""
    monkeypatch.setenv("COLUMNS", "200")


def test_all_parts_run_unless_some_are_named() -> None:
    assert chosen("") == PARTS
    assert [part.name for part in chosen(" sdks, kills")] == ["kills", "sdks"]


def test_an_unknown_part_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert proof.main("kills,nothing") == 2
    names = ", ".join(part.name for part in PARTS)
    assert capsys.readouterr().out == f"proof: nothing unknown; there are {names}\n"


def test_a_part_that_fails_is_named_and_fails_the_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proof, "chosen", lambda _: (BAD, GOOD))
    code = proof.main("")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]

    assert code == 1
    assert [[cell.strip() for cell in row.split("│")[1:4:2]] for row in rows] == [
        ["bad", "failed (1)"],
        ["good", "proved"],
    ]
    assert proof.run(BAD, Console(quiet=True)).said.endswith("No module named tests.proof.no_such_module")


def test_a_part_without_its_data_is_skipped_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUITOU_DATA", str(tmp_path / "nowhere"))
    result = proof.run(Part(name="data", proves="", module=("platform",), needs=("data",)), Console(quiet=True))

    assert (result.shown, result.code) == ("skipped", None)
    assert f"no shared data at {tmp_path / 'nowhere'}" in result.said


def test_every_long_suite_is_in_a_part() -> None:
    """A test that `make test` leaves out and no part names would never run."""
    marked = {
        file.relative_to(TESTS.parent).as_posix()
        for file in TESTS.rglob("test_*.py")
        if re.search(r"pytest\.mark\.proof\b", file.read_text("utf-8")) and file != Path(__file__)
    }
    named = {word for part in PARTS for word in part.module if word.startswith("tests/")}

    assert marked
    assert [file for file in sorted(marked) if not any(file.startswith(name) for name in named)] == []
    assert [name for name in sorted(named) if not (TESTS.parent / name).exists()] == []


def test_the_table_of_ids_tells_kept_moved_lost_new_and_skipped(tmp_path: Path) -> None:
    def junit(name: str, *ids: str) -> Path:
        file = tmp_path / f"{name}.xml"
        bodies = [
            f'<testcase classname="t" name="{each.rstrip("!")}">{"<skipped/>" if each.endswith("!") else ""}</testcase>'
            for each in ids
        ]
        file.write_text(f"<testsuites><testsuite>{''.join(bodies)}</testsuite></testsuites>", "utf-8")
        return file

    before, after, moved = (
        cases(file)
        for file in (junit("before", "a", "b", "c", "d"), junit("after", "a", "b!", "e"), junit("proof", "c", "a"))
    )
    found = compared(before, after, moved)

    assert found == {
        "kept": ["t::a", "t::b"],
        "elsewhere": [],
        "moved": ["t::c"],
        "lost": ["t::d"],
        "new": ["t::e"],
        "skipped": ["t::b"],
    }
    assert "| lost | 1 | 25.0% |" in page(found, len(before))


def test_a_test_in_another_file_is_not_lost() -> None:
    found = compared({"old::a": "passed", "old::b": "passed"}, {"new::a": "passed", "new::c": "passed"}, {})

    assert (found["elsewhere"], found["lost"], found["new"]) == (["old::a"], ["old::b"], ["new::c"])
