"""`python -m services.segmenter`: the segmenter on the Kafka host; with `cuts`, the cut maker."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Final

import uvloop

from services.segmenter.cut_maker_app import run_cut_maker
from services.segmenter.fold import SegmenterFold
from shared import usage
from shared.engine.fold.rules import ALL_ON, Off
from shared.engine.host.commands import run_service
from shared.engine.host.settings import EngineSettings
from shared.telemetry.process import begin
from shared.telemetry.telemetry import Telemetry

COMMANDS: Final = {
    "cuts": "runs the cut maker: RFM quintiles of the whole shop, at every epoch",
    "rebuild --from DIRECTORY [--verify]": "state anew from a snapshot and the log's tail, or compare",
}


def main(*, off: Off = ALL_ON) -> None:
    """Run until SIGTERM or SIGINT; `off`: rules that a test takes out."""
    usage.answer("services.segmenter", "runs the segmenter", COMMANDS, sys.argv[1:])
    settings = EngineSettings()
    if sys.argv[1:] == ["cuts"]:
        uvloop.run(_cuts(settings.kafka, begin("cuts")))
        return
    shop = settings.shop()
    run_service(
        lambda partition: SegmenterFold(shop, epoch_ms=settings.epoch_ms, partition=partition),
        settings,
        sys.argv[1:],
        off=off,
    )


async def _cuts(bootstrap: str, telemetry: Telemetry) -> None:
    telemetry.health.watch_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_cut_maker(bootstrap, stop, telemetry)


if __name__ == "__main__":
    main()
