"""`python -m services.notifier`: the only reader of the environment."""

from __future__ import annotations

import sys

import uvloop

from services.notifier.app import run
from services.notifier.guards import ALL_ON, Off
from services.notifier.settings import NotifierSettings
from shared import collector, usage
from shared.telemetry.process import begin


def main(*, off: Off = ALL_ON) -> None:
    """Run until SIGTERM or SIGINT; `off`: guards that a test takes out."""
    usage.answer("services.notifier", "sends what was commanded, once", {}, sys.argv[1:])
    telemetry = begin("notifier")
    collector.calm()
    uvloop.run(run(NotifierSettings(), telemetry, off=off))


if __name__ == "__main__":
    main()
