"""What the providers of one sandbox share: log, faults, clock, receipts; it knows no wire format."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx2
from starlette.responses import JSONResponse, Response

from deploy.sandbox.faults import Fault, Player, Script
from deploy.sandbox.message_log import Finished, MessageLog
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.spoiled import GarbageResponse, HangResponse, ResetResponse

_CALLBACK_PAUSES_S = (0.2, 1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One instance per process or test."""

    settings: SandboxSettings
    log: MessageLog
    now_ms: Callable[[], int]
    faults: Player = field(default_factory=Player)
    calls: Counter[str] = field(default_factory=Counter)
    """Requests by name, where a client's thrift is to be seen."""
    _later: set[asyncio.Task[None]] = field(default_factory=set)
    _run: str = field(default_factory=lambda: secrets.token_hex(3))

    def reference(self, prefix: str) -> str:
        """A provider's message id: never twice, also not after a restart."""
        return f"{prefix}{self._run}{self.log.number():08d}"

    def finish(self, ref: str, status: int) -> None:
        """Log the last word on a message."""
        self.log.append(Finished(ref=ref, at_ms=self.now_ms(), status=status))

    def later(self, delay_ms: int, action: Callable[[], Awaitable[None]]) -> None:
        """Do it after a delay, unless the sandbox stops first."""

        async def wait() -> None:
            await asyncio.sleep(delay_ms / 1_000)
            await action()

        task = asyncio.get_running_loop().create_task(wait())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def tell(self, path: str, document: object) -> None:
        """Post to the callback address; like the providers, gives up after a few tries."""
        if not self.settings.callback_url:
            return
        async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as client:
            for pause_s in (*_CALLBACK_PAUSES_S, None):
                try:
                    answer = await client.post(f"{self.settings.callback_url.rstrip('/')}/{path}", json=document)
                    if answer.status_code == 200:
                        return
                except httpx2.RequestError:
                    # A receiver that is down is what the pauses are for.
                    pass
                if pause_s is not None:
                    await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Drop what was to happen later; the log keeps what is open."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        self.log.close()


def answer(fault: Fault, script: Script, document: dict[str, object]) -> Response:
    """The success document, or what becomes of it on the way; the message is accepted either way."""
    response = JSONResponse(document)
    match fault.behaviour:
        case "accept_500":
            return JSONResponse({"message": "internal error"}, status_code=500)
        case "accept_hang":
            return HangResponse(script.hang_ms)
        case "accept_reset":
            return ResetResponse()
        case "accept_garbage":
            return GarbageResponse(bytes(response.body))
        case _:
            return response
