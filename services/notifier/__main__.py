"""`python -m services.notifier`: the only reader of the environment."""

from __future__ import annotations

import uvloop

from services.notifier.app import run
from services.notifier.settings import NotifierSettings
from shared import collector, log

if __name__ == "__main__":
    log.setup()
    collector.calm()
    uvloop.run(run(NotifierSettings()))
