"""`python -m services.profile`: the profile aggregator on the Kafka host; `resync` and `checkpoint` ask the whole chain, `rebuild` see README."""

from __future__ import annotations

import sys
from typing import Final

import uvloop

from services.profile.fold import ProfileFold
from shared import log, usage
from shared.engine.fold.rules import ALL_ON, Off
from shared.engine.host.announce import REQUESTS, announce
from shared.engine.host.commands import run_service
from shared.engine.host.settings import EngineSettings
from shared.kafka.broadcast import COMMAND_SECONDS, NobodyTookItError

COMMANDS: Final = {
    "resync": "let every hop tell its current state again",
    "checkpoint": "let every hop write a snapshot",
    "rebuild --from DIRECTORY [--verify]": "state anew from a snapshot and the log's tail, or compare",
}


def main(*, off: Off = ALL_ON) -> None:
    """Run until SIGTERM or SIGINT; `off`: rules that a test takes out."""
    usage.answer("services.profile", "runs the profile aggregator", COMMANDS, sys.argv[1:])
    settings = EngineSettings()
    if sys.argv[1:] and sys.argv[1] in REQUESTS:
        log.setup()
        try:
            uvloop.run(announce(settings.kafka, sys.argv[1], within=COMMAND_SECONDS))
        except NobodyTookItError as error:
            sys.exit(str(error))
        return
    shop = settings.shop()
    run_service(lambda _: ProfileFold(shop, scenario=settings.scenario), settings, sys.argv[1:], off=off)


if __name__ == "__main__":
    main()
