"""`python -m services.trigger_engine`: the trigger engine on the Kafka host; with `publish FILE`, a policy goes into force."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from services.trigger_engine.fold import TriggerFold
from services.trigger_engine.publish import publish_policy, read_policy_file
from shared import log
from shared.settings import EngineSettings
from shared.streams.commands import run_service


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = EngineSettings()
    if sys.argv[1:2] == ["publish"]:
        log.setup()
        uvloop.run(publish_policy(settings.kafka, read_policy_file(Path(sys.argv[2]))))
        return
    shop = settings.shop()
    gates_off = frozenset(gate for gate in settings.gates_off.split(",") if gate)
    run_service(lambda _: TriggerFold(shop, gates_off=gates_off), settings, sys.argv[1:])


if __name__ == "__main__":
    main()
