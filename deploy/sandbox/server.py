"""Runs the sandbox: one HTTP server and one SMTP server on loopback; it knows no provider's rules."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

import uvicorn
from fastapi import FastAPI

from deploy.sandbox import aliyun, control, mail, wecom
from deploy.sandbox.context import Sandbox
from deploy.sandbox.message_log import MessageLog
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.spoiled import ResettableProtocol

_KEEP_ALIVE_S = 75
_START_S = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running sandbox listens; with port 0 in the settings these are the ports that were free."""

    sandbox: Sandbox
    http_port: int
    smtp_port: int

    @property
    def base_url(self) -> str:
        """Address of both HTTP providers and of the control routes."""
        return f"http://{self.sandbox.settings.host}:{self.http_port}"


def create_app(sandbox: Sandbox) -> FastAPI:
    """The HTTP side: both providers' addresses and the sandbox's own."""
    app = FastAPI(title="Huitou provider sandbox", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(control.create_router(sandbox))
    app.include_router(wecom.create_router(sandbox))
    app.include_router(aliyun.create_router(sandbox))
    return app


@asynccontextmanager
async def serving(settings: SandboxSettings, now_ms: Callable[[], int]) -> AsyncIterator[Running]:
    """A sandbox that serves as long as the block lasts; what it accepted before is still in its log."""
    sandbox = Sandbox(settings=settings, log=MessageLog(settings.log_path), now_ms=now_ms)
    smtp = await asyncio.get_running_loop().create_server(
        partial(mail.create_protocol, sandbox), settings.host, settings.smtp_port
    )
    config = uvicorn.Config(
        create_app(sandbox),
        host=settings.host,
        port=settings.http_port,
        http=ResettableProtocol,
        access_log=False,
        log_config=None,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await _started(server, task)
        _resume(sandbox)
        http_port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(sandbox, http_port, smtp.sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        smtp.close()
        await asyncio.gather(task, return_exceptions=True)
        await sandbox.close()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, not to this server."""
        yield


async def _started(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(_START_S):
        while not server.started:
            if task.done():
                raise OSError(f"port {server.config.port} on {server.config.host} could not be opened")
            await asyncio.sleep(0.01)


def _resume(sandbox: Sandbox) -> None:
    """Receipts and confirmations that a stop interrupted go out now."""
    for message in sandbox.log.accepted:
        if sandbox.log.status(message.ref) is None:
            if message.channel == "sms":
                aliyun.schedule_receipt(sandbox, message)
            elif message.channel == "wecom":
                wecom.schedule_confirmation(sandbox, message)
