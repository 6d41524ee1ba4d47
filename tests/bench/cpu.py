"""CPU seconds and memory of processes, with their children; knows nothing of what they do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from deploy.stack.stack import Stack

OURSELVES = "bench itself"


def own() -> float:
    """CPU seconds of this process so far."""
    return time.process_time()


def of_stack(stack: Stack) -> dict[str, float]:
    """Service → CPU seconds so far, children included; the bench itself stands beside them."""
    pids = {name: stack.supervisor.pid(name) for name in stack.supervisor.names}
    return {name: of_process(pid) for name, pid in pids.items() if pid is not None} | {OURSELVES: own()}


def between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds spent, by service, the most first."""
    spent = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
    return dict(sorted(spent.items(), key=lambda pair: -pair[1]))


def of_process(pid: int) -> float:
    """CPU seconds so far. A child that ends in between takes its seconds with it: the sum is a lower bound."""
    times = _of_tree(pid, lambda process: process.cpu_times())
    return float(sum(one.user + one.system for one in times))


def memory_of(pid: int) -> int:
    """Resident bytes."""
    return sum(one.rss for one in _of_tree(pid, lambda process: process.memory_info()))


def _of_tree(pid: int, ask: Callable[[psutil.Process], Any]) -> list[Any]:
    """The answers of the process and its children, of those that are still there."""
    found: list[Any] = []
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return found
    for process in processes:
        try:
            found.append(ask(process))
        except psutil.NoSuchProcess:
            continue
    return found
