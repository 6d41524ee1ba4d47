"""What /proc says is counted once, and the compiler's threads are not the broker's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.versus.processes import BROKER, LAUNCHER, TICKS, Processes, Spent, cpu_of_stat, pss_of_rollup

STAT = b"42 (a (odd) name) S 1 42 42 0 -1 4194304 1 2 3 4 %d %d %d %d 20 0 1 0 100 1 1\n"


def stat(user: float, system: float, dead_user: float = 0, dead_system: float = 0) -> bytes:
    return STAT % tuple(round(seconds * TICKS) for seconds in (user, system, dead_user, dead_system))


def test_a_name_with_brackets_shifts_no_field() -> None:
    assert cpu_of_stat(stat(1, 2, 4, 8), children=False) == pytest.approx(3)
    assert cpu_of_stat(stat(1, 2, 4, 8), children=True) == pytest.approx(15)


def test_the_proportional_set_size_is_read_in_bytes() -> None:
    assert pss_of_rollup("00-ff ---p [rollup]\nRss: 9 kB\nPss:   5 kB\nPss_Anon: 1 kB\n") == 5 * 1024
    with pytest.raises(ValueError, match="no line Pss"):
        pss_of_rollup("Rss: 9 kB\n")


def test_what_was_spent_in_between_counts_a_new_service_from_zero() -> None:
    before, after = Spent({"a": 1.0}, 2.0), Spent({"a": 4.0, "b": 0.5}, 2.5)

    assert after.since(before) == Spent({"a": 3.0, "b": 0.5}, 0.5)
    assert after.since(before).all == pytest.approx(3.5)


def test_services_are_found_by_what_the_launcher_told_them_and_their_children_count() -> None:
    burn = "import time\nwhile time.process_time() < {seconds}: pass\n"
    nested = (
        burn.format(seconds=0.2)
        + f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn.format(seconds=0.3)!r}])\n"
    )
    told = "print('done', flush=True)\ninput()\n"
    env = os.environ | {"HUITOU_INSTANCE": "trigger-engine-1"}
    child = subprocess.Popen(
        (sys.executable, "-c", nested + told), env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        found = Processes(os.getpid())
        spent, memory = found.spent(), found.memory()
    finally:
        child.communicate(b"\n")

    assert {LAUNCHER, "trigger-engine"} <= set(found.names)  # a broker of the session may be a child too
    assert 0.45 <= spent.services["trigger-engine"] < 1.5
    assert memory["trigger-engine"] > 1 << 20
    with pytest.raises(RuntimeError, match="trigger-engine ended"):
        found.spent()


def test_compiler_threads_stand_apart_and_keep_their_seconds_when_they_end(tmp_path: Path) -> None:
    child = subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE)
    try:
        _compiler_threads(tmp_path, child.pid)
    finally:
        child.communicate(b"\n")


def _compiler_threads(tmp_path: Path, broker: int) -> None:
    """`broker` is a process that is there; its numbers come from the folder."""
    for thread, name, seconds in ((1, "java", 5), (2, "C1 CompilerThre", 1), (3, "C2 CompilerThre", 2)):
        task = tmp_path / str(broker) / "task" / str(thread)
        task.mkdir(parents=True)
        (task / "comm").write_text(name + "\n")
        (task / "stat").write_bytes(stat(seconds, 0))
    (tmp_path / str(broker) / "stat").write_bytes(stat(10, 0))
    found = Processes(broker, proc=tmp_path)
    found._roots = {LAUNCHER: 0, BROKER: broker}
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "stat").write_bytes(stat(0, 0))

    first = found.spent()
    for file in ("comm", "stat"):
        (tmp_path / str(broker) / "task" / "3" / file).unlink()
    second = found.spent()

    assert first.compiler == pytest.approx(3)
    assert first.services[BROKER] == pytest.approx(7)
    assert second.compiler == pytest.approx(3)
