"""What every part of the comparison is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from deploy.stack.supervisor import Supervisor
from tests.bench.versus.asked import Asked
from tests.bench.versus.builds import Build
from tests.bench.versus.readings import ARMS, Arm, Readings


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Builds, wishes, and the terms that are the same for all of them."""

    asked: Asked
    arms: Mapping[Arm, Build]
    supervisor: Supervisor
    policy: dict[str, Any]
    at: int
    """Scenario instant at which the first members come, ms."""
    say: Callable[[str], None]

    @property
    def builds(self) -> list[Build]:
        """All, the base first."""
        return [self.arms[arm] for arm in ARMS]

    def tell(self, arm: Arm, number: int, readings: Readings, *figures: str) -> None:
        """One line of a run on the screen."""
        told = ", ".join(f"{name} {readings[name].value:,.4g} {readings[name].unit}" for name in figures)
        self.say(f"round {number}, {arm}: {told}" if number else f"warm-up, {arm}: {told}")
