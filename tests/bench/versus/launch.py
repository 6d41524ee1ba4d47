"""`python launch.py DIRECTORY CACHE SERVICES SCENARIO ENVIRONMENT`, run at the root of a build: its own stack until SIGTERM.

SERVICES by comma; SCENARIO is 0 or 1; ENVIRONMENT is a JSON object of what every service is told besides. Only the
build's own code runs: nothing of the tree that holds this file is imported. Its screen is left out: that of c3b6706
ends where the broker still loads its groups.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from importlib import import_module
from pathlib import Path


async def main(directory: str, cache: str, services: str, scenario: str, environment: str) -> None:
    """The stack writes its addresses to DIRECTORY/env once all of it runs."""
    sys.path.insert(0, str(Path.cwd()))
    stack = import_module("deploy.stack.stack").Stack(
        directory=Path(directory),
        services=tuple(name for name in services.split(",") if name),
        scenario=bool(int(scenario)),
        env=json.loads(environment),
        cache=Path(cache),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with stack:
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
