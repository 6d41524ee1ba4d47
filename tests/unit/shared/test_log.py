"""One JSON object a line, whoever writes it."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

from shared import log
from shared.log import Log


@contextmanager
def untouched(*, terminal: bool = False) -> Iterator[io.StringIO]:
    """Standard error of a process whose root logger nobody has touched; pytest's handlers are away meanwhile."""
    root, written = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    written.isatty = lambda: terminal  # type: ignore[method-assign]
    try:
        with redirect_stderr(written):
            yield written
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_says_when_how_loud_who_and_what() -> None:
    with untouched() as out:
        log.setup(service="profile", instance="profile-1")
        Log("profile").warning("slow", partition=3, parts=[1, 2], seconds=0.5, reason=ValueError("no"))
    [line] = lines(out)

    assert list(line)[:6] == ["time", "level", "logger", "service", "instance", "event"]
    assert line["time"].endswith("Z")
    assert (line["level"], line["logger"], line["service"], line["instance"]) == (
        "warning",
        "profile",
        "profile",
        "profile-1",
    )
    assert (line["event"], line["partition"], line["parts"], line["seconds"]) == ("slow", 3, [1, 2], 0.5)
    assert line["reason"] == "no"


def test_levels_are_kept_apart() -> None:
    with untouched() as out:
        log.setup()
        each = Log("any")
        each.info("one")
        each.warning("two")
        each.error("three")

    assert [(line["level"], line["event"]) for line in lines(out)] == [
        ("info", "one"),
        ("warning", "two"),
        ("error", "three"),
    ]


def test_other_libraries_write_the_same_lines_from_warnings_on() -> None:
    with untouched() as out:
        log.setup(service="ingest")
        logging.getLogger("aiokafka.cluster").info("chatter")
        logging.getLogger("aiokafka.cluster").warning("no broker at %s", "127.0.0.1:9")
        logging.getLogger("else").info("kept")
        try:
            int("bad")
        except ValueError:
            logging.getLogger("else").exception("bad")
    found = lines(out)

    assert [line["event"] for line in found] == ["no broker at 127.0.0.1:9", "kept", "bad"]
    assert [line["service"] for line in found] == ["ingest"] * 3
    assert "ValueError: invalid literal" in found[-1]["exception"]
    assert found[-1]["level"] == "error"


def test_a_value_cannot_break_the_line_move_the_cursor_or_name_itself_a_level() -> None:
    with untouched() as out:
        log.setup()
        Log("any").info("told", reason="a\nb\x1b[2J\u2028\u0085回头", level="error", time="never")
    [text] = out.getvalue().splitlines()
    line = json.loads(text)

    assert text.isascii()
    assert line["reason"] == "a\nb\x1b[2J\u2028\u0085回头"
    assert (line["level"], line["time"] == "never") == ("info", False)


def test_names_may_be_given_later() -> None:
    with untouched() as out:
        log.setup()
        log.setup(service="clock", instance="clock-1")
        Log("clock").info("one")

    assert [(line["service"], line["instance"]) for line in lines(out)] == [("clock", "clock-1")]


def test_people_at_a_terminal_read_text() -> None:
    with untouched(terminal=True) as out:
        log.setup(service="profile", instance="profile-1")
        Log("profile").warning("slow", reason="a\nb\x1b")

    assert out.getvalue().split(" ", 1)[1] == "W profile slow reason=a\\nb\\x1b\n"


def test_last_words_are_one_line_with_the_traceback_as_a_field() -> None:
    with untouched() as out:
        log.setup(service="profile")
        try:
            int("the group")
        except ValueError as error:
            Log("profile").fatal("ends", error)
    [line] = lines(out)

    assert (line["level"], line["event"], line["service"]) == ("critical", "ends", "profile")
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: 'the group'")


def test_a_program_that_never_set_it_up_prints_no_line_of_good_news() -> None:
    code = "from shared.log import Log; Log('any').info('one'); Log('any').warning('two')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout == ""
    assert "one" not in said.stderr
    assert "two" in said.stderr


def test_logs_cost_no_library_for_terminals() -> None:
    code = (
        "import sys, shared.log; assert not [name for name in sys.modules if name.startswith('rich')]; import rich.text"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nor_where_the_program_has_loaded_it_for_its_tables() -> None:
    """structlog 26.1 imports rich.traceback, with pygments and attrs, wherever `rich` can be imported."""
    code = (
        "import sys, rich.table; before = set(sys.modules); import shared.log; "
        "assert not [name for name in set(sys.modules) - before if name.startswith(('rich', 'pygments'))]; "
        "assert sys.modules['rich'] is rich; import rich.traceback"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
