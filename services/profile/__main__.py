"""`python -m services.profile`: the profile aggregator on the Kafka host; `resync` and `checkpoint` ask the whole chain, `rebuild` see README."""

from __future__ import annotations

import sys

import uvloop

from services.profile.fold import ProfileFold
from shared import log
from shared.settings import EngineSettings
from shared.streams.announce import REQUESTS, announce
from shared.streams.commands import run_service


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = EngineSettings()
    if sys.argv[1:] and sys.argv[1] in REQUESTS:
        log.setup()
        uvloop.run(announce(settings.kafka, sys.argv[1]))
        return
    shop = settings.shop()
    run_service(lambda _: ProfileFold(shop, scenario=settings.scenario), settings, sys.argv[1:])


if __name__ == "__main__":
    main()
