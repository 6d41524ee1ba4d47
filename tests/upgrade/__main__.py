"""`python -m tests.upgrade`: this build on a data directory of BASE (default c3b6706); 1 if anything differs, or was not met.

Wishes stand in the environment: BASE, CUSTOMERS, EVENTS, SEED, HUITOU_CACHE. Written: .local/results/upgrade.json.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console

from deploy.demo.screen import show
from deploy.demo.verdict import write
from deploy.stack.stack import CACHE
from tests.bench.versus.builds import ROOT, BuildError, made
from tests.upgrade.run import Upgraded, Wish, run

BASE = "c3b6706"
"""Version 0.1.0."""


async def _upgrade(wish: Wish, base: str, cache: Path, console: Console) -> Upgraded:
    say = partial(console.print, markup=False, soft_wrap=True)
    builds = await made(base, say)
    return await run(builds["base"], ROOT / ".local" / "upgrade", wish, cache, say)


def main() -> int:
    """0: the older build left every kind of thing, and the oracle finds 0 different."""
    console = Console(highlight=False)
    try:
        wish = Wish(**{name: int(said) for name in Wish.__struct_fields__ if (said := os.environ.get(name.upper()))})
        cache = Path(os.environ.get("HUITOU_CACHE") or CACHE).expanduser()
        found = uvloop.run(_upgrade(wish, os.environ.get("BASE") or BASE, cache, console))
    except (ValueError, BuildError, RuntimeError, TimeoutError) as error:
        console.print(f"upgrade: {error}", markup=False)
        return 2
    show(console, found.verdict, {})
    for line in (*found.red, *(f"never met: {kind}" for kind in found.left.missing)):
        console.print(f"upgrade: {line}", markup=False)
    write(msgspec.to_builtins(found), "upgrade", ROOT)
    kept = ", ".join(f"{count} {kind}" for kind, count in msgspec.structs.asdict(found.left).items())
    console.print(f"{'exact' if found.ok else 'red'}: {found.base} left {kept}; {found.seconds:.0f} s", markup=False)
    return 0 if found.ok else 1


if __name__ == "__main__":
    sys.exit(main())
