"""`python -m services.console`: the only reader of the environment."""

from __future__ import annotations

import uvloop

from services.console.process import run
from services.console.settings import ConsoleSettings
from shared import log

if __name__ == "__main__":
    log.setup()
    uvloop.run(run(ConsoleSettings()))
