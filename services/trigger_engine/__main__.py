"""`python -m services.trigger_engine`: the trigger engine on the Kafka host; with `publish FILE`, a policy goes into force."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import uvloop

from services.trigger_engine.fold import TriggerFold
from services.trigger_engine.publish import publish_policy
from shared import log, usage
from shared.engine.fold.rules import ALL_ON, Off
from shared.engine.host.commands import run_service
from shared.engine.host.settings import EngineSettings
from shared.kafka.broadcast import COMMAND_SECONDS, NobodyTookItError
from shared.language.policy_file import read_policy_file

COMMANDS: Final = {
    "publish FILE": "put a policy into force; every change needs a higher version",
    "rebuild --from DIRECTORY [--verify]": "state anew from a snapshot and the log's tail, or compare",
}


def main(*, off: Off = ALL_ON, gates_off: frozenset[str] = frozenset()) -> None:
    """Run until SIGTERM or SIGINT; `off`: rules, `gates_off`: gates against imports, that a test takes out."""
    usage.answer("services.trigger_engine", "runs the trigger engine", COMMANDS, sys.argv[1:])
    publish = _publish_parser().parse_args(sys.argv[2:]) if sys.argv[1:2] == ["publish"] else None
    settings = EngineSettings()
    if publish is not None:
        log.setup()
        try:
            uvloop.run(publish_policy(settings.kafka, read_policy_file(publish.file), within=COMMAND_SECONDS))
        except NobodyTookItError as error:
            sys.exit(str(error))
        return
    shop = settings.shop()
    run_service(lambda _: TriggerFold(shop, gates_off=gates_off), settings, sys.argv[1:], off=off)


def _publish_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.trigger_engine publish",
        description="Put a policy into force. A version once published is final: raise `version` for every change.",
    )
    parser.add_argument("file", type=Path, help="policy as YAML or JSON")
    return parser


if __name__ == "__main__":
    main()
