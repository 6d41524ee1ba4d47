"""Health and meters of a process in one hand, as its parts are given them."""

from __future__ import annotations

from shared.telemetry.health import Health
from shared.telemetry.meters import UNSEEN, Meters


class Telemetry:
    """`Telemetry()` counts nothing and is read by nobody: for commands, tests and simulations."""

    def __init__(self, meters: Meters = UNSEEN) -> None:
        self.health = Health()
        self.meters = meters
        meters.gauge("huitou_healthy").set_function(lambda: not self.health.hung())
        meters.gauge("huitou_ready").set_function(lambda: not self.health.waiting())

    @property
    def seen(self) -> bool:
        """Whether a listener shows what is counted."""
        return self.meters is not UNSEEN
