"""CPU seconds of processes, with their children; knows nothing of what they do."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

from deploy.stack.stack import Stack

OURSELVES = "bench itself"


def own() -> float:
    """CPU seconds of this process so far, in steps of 10 ms."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def of_stack(stack: Stack) -> dict[str, float]:
    """Service → CPU seconds so far, children included; the bench itself stands beside them."""
    pids = {name: stack.supervisor.pid(name) for name in stack.supervisor.names}
    return {name: _tree(pid) for name, pid in pids.items() if pid is not None} | {OURSELVES: own()}


def between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds spent, by service, the most first."""
    spent = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
    return dict(sorted(spent.items(), key=lambda pair: -pair[1]))


def _tree(pid: int) -> float:
    """A child that ends in between takes its seconds with it: the sum is a lower bound."""
    total = 0.0
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
