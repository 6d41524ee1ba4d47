"""Starts, watches, restarts and stops processes: knows process ids, signals and back-off; not what the processes do.

Promises: a process is restarted only once the old one, with its process group, is confirmed dead; nothing it started
outlives the launcher, whether that ends by Ctrl-C or by kill -9 (deploy/stack/guard.py, deploy/stack/watchdog.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from deploy.stack.restarts import note, pause_after
from deploy.stack.rotation import Rotation, keep_rotating

GUARD = Path(__file__).with_name("guard.py")
WATCHDOG = Path(__file__).with_name("watchdog.py")
POLL_SECONDS = 0.05
GROUP_POLLS = 40
STEADY_SECONDS = 10.0
"""A process that lived this long starts its back-off anew."""
TAIL_LINES = 25

Status = Literal["starting", "running", "waiting", "stopping", "stopped", "failed"]


class StartError(RuntimeError):
    """A process did not become ready, or a one-shot command failed; the message ends with the last lines of its log."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One process to run."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    """Added to the launcher's own environment."""
    ready: Callable[[], Awaitable[bool]] | None = None
    """Asked again and again until it says True; without it a service is ready when it was started."""
    ready_within: float = 60.0
    restart: bool = True
    stop_signal: int = signal.SIGTERM
    stop_within: float = 15.0
    """Seconds for a graceful stop; then SIGKILL."""
    user: str | None = None
    """An unprivileged user to run under; only root can ask for one."""
    cwd: Path | None = None


class _Run:
    """What is known of one service while it is supervised."""

    def __init__(self, service: Service, log: Path) -> None:
        self.service = service
        self.log = log
        self.process: Process | None = None
        self.task: asyncio.Task[None] | None = None
        self.status: Status = "starting"
        self.starts = 0
        self.code: int | None = None


class Supervisor:
    """Runs services in the order they were started and stops them in reverse; one event loop, one instance."""

    def __init__(self, logs: Path, *, env: Mapping[str, str], rotation: Rotation | None = None) -> None:
        """Log files go to `logs/<name>.log`; `env` is the environment all services share."""
        self._logs = logs
        self._env = dict(env)
        self._rotation = rotation or Rotation()
        self._rotating: asyncio.Task[None] | None = None
        self._runs: dict[str, _Run] = {}
        self._watchdog: Process | None = None
        self._stopping = False

    @property
    def names(self) -> tuple[str, ...]:
        """Services in start order."""
        return tuple(self._runs)

    def status(self, name: str) -> Status:
        """Where the service stands right now."""
        return self._runs[name].status

    def pid(self, name: str) -> int | None:
        """Process id, or None while none runs."""
        process = self._runs[name].process
        return None if process is None or process.returncode is not None else process.pid

    def restarts(self, name: str) -> int:
        """How many times the service was started again."""
        return max(0, self._runs[name].starts - 1)

    def patience(self, name: str) -> float:
        """Seconds that the service is given for a graceful stop."""
        return self._runs[name].service.stop_within

    def log(self, name: str) -> Path:
        """Its log file."""
        return self._logs / f"{name}.log"

    async def start(self, service: Service) -> None:
        """Start the service and return when it is ready; StartError if it does not get there."""
        if service.name in self._runs and self._runs[service.name].status not in {"stopped", "failed"}:
            raise StartError(f"{service.name}: already started")
        before = self._runs.get(service.name)
        run = self._runs[service.name] = _Run(service, self.log(service.name))
        run.starts = before.starts if before else 0
        await self._launch(run)
        run.task = asyncio.create_task(self._watch(run), name=f"watch {service.name}")
        try:
            await asyncio.wait_for(self._until_ready(run), service.ready_within)
        except TimeoutError:
            await self.stop_one(service.name)
            raise StartError(
                f"{service.name}: not ready within {service.ready_within:g} s\n{self._tail(run)}"
            ) from None
        if run.status == "starting":
            run.status = "running"

    async def run(self, service: Service) -> None:
        """Run a one-shot command to its end; StartError if it does not return 0."""
        run = _Run(service, self.log(service.name))
        process = await self._launch(run)
        try:
            code = await asyncio.wait_for(process.wait(), service.ready_within)
        except TimeoutError:
            code = None
        finally:
            await self._bury(run)
        if code != 0:
            reason = f"no end within {service.ready_within:g} s" if code is None else f"exit code {code}"
            raise StartError(f"{service.name}: {reason}\n{self._tail(run)}")

    def kill(self, name: str) -> int:
        """SIGKILL the service as a power cut would; the supervisor starts it again. Returns the killed process id."""
        return self._signal(name, signal.SIGKILL)

    def freeze(self, name: str) -> int:
        """SIGSTOP: the service lives, and does nothing until `thaw`. Returns its process id."""
        return self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> int:
        """SIGCONT: the service goes on as if no time had passed. Returns its process id."""
        return self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: int) -> int:
        pid = self.pid(name)
        if pid is None:
            raise ProcessLookupError(f"{name} is not running")
        os.killpg(pid, number)
        return pid

    async def restart(self, name: str, *, stop_signal: int | None = None) -> float:
        """Stop one service gracefully, or by another signal, and start it again; returns the seconds that the stop took."""
        service, loop = self._runs[name].service, asyncio.get_running_loop()
        began = loop.time()
        await self.stop_one(name, stop_signal=stop_signal)
        drained = loop.time() - began
        await self.start(service)
        return drained

    async def start_again(self, name: str) -> None:
        """Start a service that was stopped."""
        await self.start(self._runs[name].service)

    async def stop_one(self, name: str, *, stop_signal: int | None = None) -> None:
        """Stop one service gracefully and keep it down."""
        run = self._runs[name]
        run.status = "stopping"
        process = run.process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)  # one that is frozen would not hear
                process.send_signal(run.service.stop_signal if stop_signal is None else stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), run.service.stop_within)
        if run.task is not None:
            run.task.cancel()
            await asyncio.gather(run.task, return_exceptions=True)
        await self._bury(run)
        run.status = "stopped"

    async def stop(self) -> None:
        """Stop everything in reverse order of start; safe to call twice."""
        self._stopping = True
        for name in reversed(self._runs):
            if self._runs[name].status != "stopped":
                await self.stop_one(name)
        if self._rotating is not None:
            self._rotating.cancel()
            self._rotating = None
        if self._watchdog is not None and self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
            await self._watchdog.wait()
            self._watchdog = None
        self._stopping = False

    async def _launch(self, run: _Run) -> Process:
        service = run.service
        await self._ensure_watchdog()
        self._logs.mkdir(parents=True, exist_ok=True)
        if self._rotating is None:
            self._rotating = asyncio.create_task(keep_rotating(self._logs, self._rotation))
        guarded = (
            sys.executable,
            "-I",
            "-S",
            str(GUARD),
            str(os.getpid()),
            str(int(service.stop_signal)),
            service.user or "-",
        )
        with run.log.open("ab") as log:
            run.process = await asyncio.create_subprocess_exec(
                *guarded,
                *service.argv,
                env=self._env | dict(service.env),
                cwd=service.cwd,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C reaches the launcher alone, which stops in order
            )
        run.starts += 1
        self._tell_watchdog(f"+{run.process.pid}\n")
        return run.process

    async def _watch(self, run: _Run) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while run.process is not None:
            since = loop.time()
            run.code = await run.process.wait()
            await self._bury(run)
            if run.status == "stopping":
                return
            if not run.service.restart:
                run.status = "failed" if run.code else "stopped"
                return
            run.status = "waiting"
            failures = 1 if loop.time() - since >= STEADY_SECONDS else failures + 1
            note(self._logs, run.service.name, run.code, failures=failures, restarts=run.starts)
            await asyncio.sleep(pause_after(failures))
            await self._launch(run)
            run.status = "running"

    async def _until_ready(self, run: _Run) -> None:
        while run.service.ready is not None and not await run.service.ready():
            if run.status in {"failed", "stopped"}:
                raise StartError(
                    f"{run.service.name}: ended with code {run.code} before it was ready\n{self._tail(run)}"
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _bury(self, run: _Run) -> None:
        """Return once the process, and whatever is left of its group, is dead."""
        process = run.process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        for _ in range(GROUP_POLLS):  # bounded: where init reaps nothing, a dead grandchild stays in its group for ever
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                break
            await asyncio.sleep(POLL_SECONDS)
        run.process = None
        self._tell_watchdog(f"-{process.pid}\n")

    async def _ensure_watchdog(self) -> None:
        if self._watchdog is None:
            self._watchdog = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(WATCHDOG),
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=DEVNULL,
                start_new_session=True,
            )

    def _tell_watchdog(self, line: str) -> None:
        if self._watchdog is not None and self._watchdog.stdin is not None:
            self._watchdog.stdin.write(line.encode())

    def _tail(self, run: _Run) -> str:
        lines = run.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])
