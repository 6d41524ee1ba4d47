"""SMS beyond the common contract: what the provider tells later, and on which day a look-up asks."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from services.notifier.channels.contract import Accepted, Delivered, Undelivered
from tests.support.channels import ON_THE_WIRE, eventually, rigged


@asynccontextmanager
async def mailbox(*, refuse_first: int) -> AsyncIterator[tuple[str, asyncio.Queue[tuple[str, Any]]]]:
    """A receiver of callbacks on a free port: its address, and what it took."""
    taken: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    refusals = iter(range(refuse_first))
    app = FastAPI()

    @app.post("/hook/{path}")
    async def take(path: str, request: Request) -> JSONResponse:
        if next(refusals, None) is not None:
            return JSONResponse({"code": 1}, status_code=503)
        taken.put_nowait((path, await request.json()))
        return JSONResponse({"code": 0, "msg": "接收成功"})

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        task = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook", taken
        finally:
            server.should_exit = True
            await task


async def test_a_look_up_tells_what_the_handset_answered(tmp_path: Path) -> None:
    async with rigged("sms", tmp_path) as rig:
        outbound = rig.outbound()
        accepted = await rig.channel.send(outbound)
        assert isinstance(accepted, Accepted)
        attempt = rig.attempt(outbound, accepted.provider_ref)

        outcome = await eventually(lambda: rig.channel.look_up(attempt), lambda told: told != accepted)

        assert outcome == Delivered(accepted.provider_ref)


async def test_a_look_up_tells_that_the_handset_was_not_reached(tmp_path: Path) -> None:
    async with rigged("sms", tmp_path) as rig:
        rig.script(undeliverable=frozenset({ON_THE_WIRE["sms"]}))
        outbound = rig.outbound()
        accepted = await rig.channel.send(outbound)
        assert isinstance(accepted, Accepted)
        attempt = rig.attempt(outbound, accepted.provider_ref)

        outcome = await eventually(lambda: rig.channel.look_up(attempt), lambda told: told != accepted)

        assert outcome == Undelivered(accepted.provider_ref, "sms-MK:0010")


async def test_a_look_up_reads_every_page(tmp_path: Path) -> None:
    async with rigged("sms", tmp_path) as rig:
        for number in range(51):
            await rig.channel.send(rig.outbound(f"other-{number}"))
        outbound = rig.outbound()
        await rig.channel.send(outbound)

        assert await rig.channel.look_up(rig.attempt(outbound)) is not None


async def test_receipts_and_replies_reach_the_callback_even_if_it_refuses_at_first(tmp_path: Path) -> None:
    async with mailbox(refuse_first=1) as (address, taken), rigged("sms", tmp_path, callback_url=address) as rig:
        accepted = await rig.channel.send(rig.outbound())
        assert isinstance(accepted, Accepted)
        async with httpx2.AsyncClient(base_url=rig.running.base_url, trust_env=False) as client:
            await client.post("/sms/reply", json={"phone_number": ON_THE_WIRE["sms"], "content": "R"})
        async with asyncio.timeout(5):
            told = dict([await taken.get(), await taken.get()])

    [report] = told["sms-report"]
    assert (report["out_id"], report["biz_id"], report["success"]) == ("command-1", accepted.provider_ref, True)
    assert told["sms-reply"][0]["content"] == "R"
