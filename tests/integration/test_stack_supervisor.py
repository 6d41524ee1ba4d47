"""The supervisor keeps processes alive, one of each, and none longer than itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from deploy.stack.restarts import BACKOFF_SECONDS, OWN_LOG
from deploy.stack.rotation import Rotation
from deploy.stack.supervisor import Service, StartError, Supervisor

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 20.0
SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"
STUBBORN_PARENT = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf])
print("child", child.pid, flush=True)
time.sleep(600)
"""
LAUNCHER = """
import asyncio, sys
from pathlib import Path
from deploy.stack.supervisor import Service, Supervisor

async def main():
    logs = Path(sys.argv[1])
    supervisor = Supervisor(logs, env={})
    for name, code in (("sleeper", sys.argv[2]), ("stubborn", sys.argv[3])):
        async def ready(log=logs / f"{name}.log"):
            return log.read_text().endswith("\\n")
        await supervisor.start(Service(name=name, argv=(sys.executable, "-c", code), ready=ready))
    print(*(supervisor.pid(name) for name in supervisor.names), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def python(
    name: str, code: str, *, restart: bool = True, stop_within: float = 5.0, ready_within: float = 10.0
) -> Service:
    return Service(
        name=name,
        argv=(sys.executable, "-c", code),
        restart=restart,
        stop_within=stop_within,
        ready_within=ready_within,
    )


def says_ready(log: Path) -> bool:
    return "ready" in log.read_text()


def alive(pid: int) -> bool:
    """Whether the process runs; a corpse that nobody collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.05)


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path, env={})


async def test_a_killed_service_comes_back_as_another_process_and_is_counted(supervisor: Supervisor) -> None:
    await supervisor.start(python("sleeper", SLEEPER))
    killed = supervisor.kill("sleeper")
    await until(lambda: supervisor.pid("sleeper") not in {None, killed})

    assert supervisor.restarts("sleeper") == 1
    assert not alive(killed)
    await supervisor.stop()


async def test_the_successor_starts_only_when_the_whole_old_group_is_dead(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    await supervisor.start(python("stubborn", STUBBORN_PARENT))
    log = tmp_path / "stubborn.log"
    await until(lambda: log.read_text().count("\n") == 1)
    grandchild = int(log.read_text().split()[1])
    killed = supervisor.kill("stubborn")
    await until(lambda: supervisor.pid("stubborn") not in {None, killed})

    assert not alive(grandchild)
    await supervisor.stop()


async def test_restarts_wait_longer_each_time(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(python("crasher", "import time; print(time.monotonic(), flush=True); raise SystemExit(3)"))
    log = tmp_path / "crasher.log"
    await until(lambda: log.read_text().count("\n") >= 4)
    starts = [float(line) for line in log.read_text().split()][:4]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    await supervisor.stop()

    assert all(gap >= least for gap, least in zip(gaps, BACKOFF_SECONDS, strict=False)), gaps
    noted = [json.loads(line) for line in (tmp_path / OWN_LOG).read_text().splitlines()][:3]
    assert [(one["process"], one["ended"], one["pause_seconds"], one["restarts"]) for one in noted] == [
        ("crasher", "exit code 3", 0.2, 1),
        ("crasher", "exit code 3", 0.5, 2),
        ("crasher", "exit code 3", 1.0, 3),
    ]


async def test_stopping_goes_in_reverse_order_and_lets_services_finish(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs", env={})
    order = tmp_path / "order"
    polite = """
import signal, sys, time
def leave(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(600)
"""
    for name in ("first", "second"):
        await supervisor.start(Service(name=name, argv=(sys.executable, "-c", polite, str(order), name)))
        await until(partial(says_ready, supervisor.log(name)))
    await supervisor.stop()

    assert order.read_text().split() == ["second", "first"]


async def test_a_service_that_ignores_the_request_to_stop_is_killed_with_its_children(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    await supervisor.start(python("stubborn", STUBBORN_PARENT, stop_within=0.3))
    log = tmp_path / "stubborn.log"
    await until(lambda: log.read_text().count("\n") == 1)
    parent, grandchild = supervisor.pid("stubborn"), int(log.read_text().split()[1])
    assert parent is not None
    await supervisor.stop()

    assert not alive(parent)
    assert not alive(grandchild)
    assert supervisor.status("stubborn") == "stopped"


async def test_a_service_that_never_becomes_ready_is_reported_with_the_end_of_its_log(supervisor: Supervisor) -> None:
    async def never() -> bool:
        return False

    service = Service(
        name="mute",
        argv=(sys.executable, "-c", "print('no key file'); import sys, time; sys.stdout.flush(); time.sleep(600)"),
        ready=never,
        ready_within=0.5,
    )
    with pytest.raises(StartError, match=r"mute: not ready within 0\.5 s\n  no key file"):
        await supervisor.start(service)

    assert supervisor.pid("mute") is None
    await supervisor.stop()


async def test_a_one_shot_command_that_fails_is_reported_with_its_exit_code(supervisor: Supervisor) -> None:
    with pytest.raises(StartError, match=r"once: exit code 3\n  out of luck"):
        await supervisor.run(python("once", "print('out of luck', flush=True); raise SystemExit(3)"))
    await supervisor.stop()


async def test_ctrl_c_at_the_terminal_reaches_the_launcher_alone(supervisor: Supervisor) -> None:
    await supervisor.start(python("sleeper", SLEEPER))
    pid = supervisor.pid("sleeper")
    assert pid is not None

    assert os.getsid(pid) != os.getsid(0)
    assert os.getpgid(pid) != os.getpgid(0)
    await supervisor.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_nothing_outlives_a_launcher_that_dies(tmp_path: Path, number: signal.Signals) -> None:
    launcher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LAUNCHER, str(tmp_path), SLEEPER, STUBBORN_PARENT),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert launcher.stdout is not None
    started = [int(word) for word in (await asyncio.wait_for(launcher.stdout.readline(), PATIENCE_SECONDS)).split()]
    started.append(int((tmp_path / "stubborn.log").read_text().split()[1]))
    assert all(alive(pid) for pid in started)
    launcher.send_signal(number)
    await launcher.wait()
    await until(lambda: not any(alive(pid) for pid in started))

    assert len(started) == 3


async def test_a_frozen_service_does_nothing_and_goes_on_when_thawed(supervisor: Supervisor) -> None:
    await supervisor.start(python("sleeper", SLEEPER))
    pid = supervisor.freeze("sleeper")

    await until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    assert supervisor.thaw("sleeper") == pid
    await until(lambda: psutil.Process(pid).status() != psutil.STATUS_STOPPED)
    assert supervisor.restarts("sleeper") == 0
    await supervisor.stop()


async def test_a_frozen_service_hears_that_it_shall_stop(supervisor: Supervisor) -> None:
    leaves = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
    await supervisor.start(python("sleeper", leaves + SLEEPER, stop_within=30.0))
    await until(partial(says_ready, supervisor.log("sleeper")))
    supervisor.freeze("sleeper")

    async with asyncio.timeout(PATIENCE_SECONDS):
        await supervisor.stop_one("sleeper")
    assert supervisor.pid("sleeper") is None
    await supervisor.stop()


async def test_a_restart_is_another_process_that_counts(supervisor: Supervisor) -> None:
    await supervisor.start(python("sleeper", SLEEPER))
    before = supervisor.pid("sleeper")

    drained = await supervisor.restart("sleeper", stop_signal=signal.SIGINT)

    assert 0 < drained < PATIENCE_SECONDS
    assert before is not None
    assert not alive(before)
    assert supervisor.pid("sleeper") not in {None, before}
    assert supervisor.restarts("sleeper") == 1
    await supervisor.stop()


CHATTY = """
import os, sys, time
for number in range(4_000):
    print(number, flush=True)  # through the interpreter
    os.write(2, b"native %d\\n" % number)  # past it, as a JVM or a dying interpreter writes
    if number % 50 == 49:
        time.sleep(0.02)
print("ready", flush=True)
time.sleep(600)
"""


async def test_logs_stay_small_while_the_process_goes_on_writing_to_its_file(tmp_path: Path) -> None:
    small = Rotation(limit=8_000, files=3, look_seconds=0.05)
    supervisor = Supervisor(tmp_path, env={}, rotation=small)
    await supervisor.start(python("chatty", CHATTY))
    log = tmp_path / "chatty.log"
    await until(partial(says_ready, log))
    await supervisor.stop()
    kept = [(tmp_path / name).read_text() for name in ("chatty.log.2", "chatty.log.1", "chatty.log")]
    lines = "".join(kept).splitlines()
    native = [int(line.split()[1]) for line in lines if line.startswith("native")]
    plain = [int(line) for line in lines if line.isdecimal()]

    assert not (tmp_path / "chatty.log.3").exists()
    assert native[0] > 0, "nothing fell out: the test proves nothing"
    assert lines[-1] == "ready"
    assert native[-1] == plain[-1] == 3_999
    assert native == sorted(native)
    assert native[-1] - native[0] < len(native) + 10, "what is kept has no gap"
