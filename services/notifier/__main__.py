"""`python -m services.notifier`: the only reader of the environment."""

from __future__ import annotations

import sys

import uvloop

from services.notifier.app import run
from services.notifier.settings import NotifierSettings
from shared import collector, log, usage

if __name__ == "__main__":
    usage.answer("services.notifier", "sends what was commanded, once", {}, sys.argv[1:])
    log.setup()
    collector.calm()
    uvloop.run(run(NotifierSettings()))
