"""Asks the forecaster what would fall due after an import. Knows a program and its answer; not the rules.

The forecaster runs the cores of the whole chain (services/rehearsal/forecast), which this service must not know: so it is a program.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

SECONDS: Final = 900.0


async def forecast(module: str, records: Path, baseline: int) -> tuple[dict[str, Any] | None, str]:
    """The forecast of prepared records, or None and why there is none; `module` empty: nobody forecasts here."""
    if not module:
        return None, "no forecaster is set (HUITOU_FORECASTER)"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(records), "--baseline", str(baseline)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            said, errors = await process.communicate()
    except TimeoutError:
        return None, f"the forecast took longer than {SECONDS:.0f} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        return None, f"the forecaster failed: {''.join(last)[:200]}"
    try:
        found: dict[str, Any] = msgspec.json.decode(said, type=dict[str, Any])
    except msgspec.DecodeError as error:
        return None, f"the forecaster's answer cannot be read: {error}"
    return found, ""
