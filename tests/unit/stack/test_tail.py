"""The terminal shows what deserves attention, once, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.stack.tail import READ_BYTES, Tail


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-22T05:27:23,001 WARN  QuorumController activation",
        "2026-11-22 05:29:23.148 UTC FATAL:  the database system is starting up",
        "Traceback (most recent call last):",
    ],
)
def test_warnings_and_worse_are_shown_with_their_service(tmp_path: Path, line: str) -> None:
    tail = Tail(tmp_path)
    (tmp_path / "profile.log").write_text(f"{line}\n", encoding="utf-8")

    assert tail.loud() == [("profile", line)]


@pytest.mark.parametrize(
    ("level", "letter"),
    [("warning", "W"), ("error", "E"), ("critical", "C")],
)
def test_our_own_lines_are_shown_as_text(tmp_path: Path, level: str, letter: str) -> None:
    tail = Tail(tmp_path)
    named = {"time": "2026-11-22T05:29:23.148Z", "level": level, "logger": "profile", "service": "profile"}
    line = {**named, "instance": "profile-1", "event": "slow", "partition": 3, "reason": "回头\x1b[2J"}
    (tmp_path / "profile.log").write_text(json.dumps(line) + "\n", encoding="utf-8")

    shown = f"2026-11-22T05:29:23.148Z {letter} profile slow partition=3 reason=\\u56de\\u5934\\x1b[2J"
    assert tail.loud() == [("profile", shown)]


@pytest.mark.parametrize(
    "line",
    [
        '{"time": "2026-11-22T05:29:23.148Z", "level": "info", "logger": "profile", "event": "ERROR is a word here"}',
        '{"an": "object that is no line of ours"}',
        "2026-11-22 05:29:23.148 UTC LOG:  database system is ready to accept connections",
    ],
)
def test_good_news_stays_in_the_file(tmp_path: Path, line: str) -> None:
    tail = Tail(tmp_path)
    (tmp_path / "profile.log").write_text(f"{line}\n", encoding="utf-8")

    assert tail.loud() == []


def test_of_a_traceback_its_last_line_is_shown(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    last = "Traceback (most recent call last):\n  File x\nValueError: no"
    line = {"time": "T", "level": "critical", "logger": "profile", "event": "ends", "exception": last}
    (tmp_path / "profile.log").write_text(json.dumps(line) + "\n", encoding="utf-8")

    assert tail.loud() == [("profile", "T C profile ends exception=ValueError: no")]


def test_a_line_is_shown_once_and_only_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("ERROR of the past\n", encoding="utf-8")
    tail = Tail(tmp_path)
    with log.open("a", encoding="utf-8") as file:
        file.write("ERROR ha")
        file.flush()
        half = tail.loud()
        file.write("lf\n")
    whole = tail.loud()

    assert half == []
    assert whole == [("kafka", "ERROR half")]
    assert tail.loud() == []


def test_a_log_that_was_rotated_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("nothing to see\n" * 100, encoding="utf-8")
    tail = Tail(tmp_path)
    log.write_text("ERROR of today\n", encoding="utf-8")

    assert tail.loud() == [("kafka", "ERROR of today")]


def test_a_line_beyond_all_measure_is_passed_over(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    (tmp_path / "profile.log").write_bytes(b"x" * (2 * READ_BYTES) + b"\nERROR after it\n")

    found = [line for _ in range(4) for line in tail.loud()]

    assert found == [("profile", "ERROR after it")]
