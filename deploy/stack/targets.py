"""Where processes answer for their health and metrics: their ports, and the file by which Prometheus finds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from deploy.stack import ports
from deploy.stack.plan import Step

PORT = "HUITOU_METRICS_PORT"
FILE = "metrics.json"


def port_names(processes: Mapping[str, Step]) -> dict[str, str]:
    """Process → name of its port in `ports.json`, of those whose step has metrics."""
    return {name: f"{name} metrics" for name, step in processes.items() if step.metrics}


class Targets:
    """The listeners of one stack. `metrics.json` in its directory is kept as Prometheus' `file_sd_configs` reads it."""

    def __init__(self, directory: Path) -> None:
        """Nothing is written yet."""
        self.file = directory / FILE
        self._found: dict[str, tuple[str, int]] = {}

    def add(self, processes: Mapping[str, Step], numbers: Mapping[str, int]) -> None:
        """These processes answer at these ports, by the names of `port_names`."""
        names = port_names(processes)
        self._found |= {name: (processes[name].name, numbers[port]) for name, port in names.items()}
        told = [
            {"targets": [f"{ports.HOST}:{port}"], "labels": {"service": service, "process": name}}
            for name, (service, port) in self._found.items()
        ]
        fresh = self.file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
        fresh.replace(self.file)  # Prometheus reads it whenever it changes: never half of it

    def env(self, process: str) -> dict[str, str]:
        """What the process is told; empty for one that has no metrics."""
        return {PORT: str(self._found[process][1])} if process in self._found else {}

    def urls(self) -> dict[str, str]:
        """Process → where it answers."""
        return {process: f"http://{ports.HOST}:{port}" for process, (_, port) in self._found.items()}
