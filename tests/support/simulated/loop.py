"""An event loop without a machine: time jumps to the next timer, and whole processes can be stopped, continued and killed."""

from __future__ import annotations

import asyncio
import contextvars
import enum
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Condition(enum.Enum):
    RUNNING = enum.auto()
    FROZEN = enum.auto()
    DEAD = enum.auto()


class Process:
    """Everything that was started in `run`: its tasks stand still while it is frozen and end without effect when it is killed."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.name, self.condition = name, Condition.RUNNING
        self.tasks: list[asyncio.Task[Any]] = []
        self.died_at = 0.0
        self._loop, self._held = loop, list[asyncio.Handle]()

    @property
    def dead(self) -> bool:
        return self.condition is Condition.DEAD

    def run(self, main: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task of this process; what it starts belongs to the process too."""
        context = contextvars.Context()
        context.run(_PROCESS.set, self)
        return self._loop.create_task(main, context=context)

    def freeze(self) -> None:
        """As SIGSTOP: not one step more until `thaw`, while time goes on."""
        if not self.dead:
            self.condition = Condition.FROZEN

    def thaw(self) -> None:
        if self.condition is Condition.FROZEN:
            self.condition = Condition.RUNNING
            self._release()

    def kill(self) -> None:
        """As SIGKILL: the tasks unwind, but whatever they call refuses (`check`)."""
        if self.dead:
            return
        self.condition, self.died_at = Condition.DEAD, self._loop.time()
        self._release()
        for task in self.tasks:
            task.cancel()

    def check(self) -> None:
        """Called before every effect."""
        if self.dead:
            raise asyncio.CancelledError

    def hold(self, handle: asyncio.Handle) -> bool:
        """Whether the handle has to wait."""
        if self.condition is Condition.FROZEN:
            self._held.append(handle)
            return True
        return False

    def _release(self) -> None:
        held, self._held = self._held, []
        self._loop.put_back(held)


_PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("process")


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(_PROCESS)  # type: ignore[attr-defined]
        if process is None or not process.hold(self):
            asyncio.Handle._run(self)


class _Timer(asyncio.TimerHandle):
    __slots__ = ()
    _run = _Handle._run


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's own loop, in its own order of callbacks; its selector only moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector, self._clock_resolution = self, 1e-9
        self.set_task_factory(_task)

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> tuple[()]:
        """What the loop calls when nothing is ready: the selector's part."""
        if timeout is None:
            raise RuntimeError("everybody waits and nobody has a timer")
        self._now += timeout
        return ()

    def put_back(self, handles: list[asyncio.Handle]) -> None:
        """Handles that were held are ready again, in their order."""
        self._ready.extend(handles)  # type: ignore[attr-defined]

    def outside(self, delay: float, act: Callable[[], None]) -> None:
        """Call later as part of no process: the network and the broker."""
        self.call_later(delay, act, context=contextvars.Context())

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A callback that fails is the simulation's own mistake; a task's error belongs to who awaits it."""
        if "handle" in context:
            raise context["exception"]

    def _process_events(self, events: object) -> None: ...

    def _call_soon(self, callback: Any, args: Any, context: Any) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(  # type: ignore[override]  # typeshed ties args to the callback
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer


def _task(loop: asyncio.AbstractEventLoop, main: Any, context: Any = None) -> asyncio.Task[Any]:
    process = (context or contextvars.copy_context()).get(_PROCESS)
    task: asyncio.Task[Any] = asyncio.Task(main, loop=loop, context=context)
    if process is not None:
        process.tasks = [task, *(other for other in process.tasks if not other.done())]
    return task


def simulate(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run to the end in virtual time; what still runs then is cancelled."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        rest = asyncio.all_tasks(loop)
        for task in rest:
            task.cancel()
        loop.run_until_complete(_ended(rest))
        loop.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=1)
