"""The sandbox's own routes: what was accepted, what shall go wrong, what guides and recipients do next."""

from typing import Literal

import msgspec
from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from deploy.sandbox import aliyun, wecom
from deploy.sandbox.context import Sandbox
from deploy.sandbox.faults import Script


class FaultBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A script for one channel; it replaces the one in force."""

    channel: Literal["email", "sms", "staff_task", "wecom"]
    script: Script = Script()


class ConfirmBody(BaseModel):
    """Which mass messages the guides confirm: one, or all that wait."""

    model_config = ConfigDict(extra="forbid")
    msgid: str | None = None


class ReplyBody(BaseModel):
    """A person answers an SMS."""

    model_config = ConfigDict(extra="forbid")
    phone_number: str
    content: str


def create_router(sandbox: Sandbox) -> APIRouter:
    """/health, /log, /log/count, /faults, /wecom/confirm, /sms/reply."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/log")
    async def log(channel: str | None = None, command_id: str | None = None) -> Response:
        found = sandbox.log.find(channel, command_id)
        return Response(msgspec.json.encode(found), media_type="application/json")

    @router.get("/log/count")
    async def count() -> Response:
        return Response(msgspec.json.encode(sandbox.log.count()), media_type="application/json")

    @router.post("/faults")
    async def faults(request: Request) -> dict[str, str]:
        try:
            body = msgspec.json.decode(await request.body(), type=FaultBody)
        except msgspec.DecodeError as error:
            raise HTTPException(422, str(error)) from None
        problem = body.script.problem()
        if problem is not None:
            raise HTTPException(422, problem)
        sandbox.faults.load(body.channel, body.script)
        return {"channel": body.channel}

    @router.post("/wecom/confirm")
    async def confirm(body: ConfirmBody) -> dict[str, list[str]]:
        waiting = [message.ref for message in sandbox.log.find("wecom") if body.msgid in (None, message.ref)]
        return {"confirmed": [ref for ref in waiting if wecom.confirm(sandbox, ref)]}

    @router.post("/sms/reply")
    async def reply(body: ReplyBody) -> dict[str, str]:
        await aliyun.reply(sandbox, phone_number=body.phone_number, content=body.content)
        return {"status": "told"}

    return router
