"""WeCom as the outside sees it: tokens, application messages with dedupe, mass messages and the confirming guide."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from deploy.sandbox.context import Sandbox, answer
from deploy.sandbox.faults import Fault
from deploy.sandbox.message_log import Accepted, Suppressed

UNSENT, SENT, NOT_A_CONTACT = 0, 1, 2
_Row = TypeVar("_Row")
_TOKEN_LIFE_S = 7_200
_DEFAULT_INTERVAL_S = 1_800
_LONGEST_INTERVAL_S = 14_400


def create_router(sandbox: Sandbox) -> APIRouter:
    """Everything below /cgi-bin that the adapters call."""
    router = APIRouter(prefix="/cgi-bin")
    provider = _Wecom(sandbox)
    actions: dict[str, Callable[[dict[str, Any], bytes], Response]] = {
        "message/send": provider.send,
        "externalcontact/add_msg_template": provider.add,
        "externalcontact/get_groupmsg_list_v2": provider.listing,
        "externalcontact/get_groupmsg_send_result": provider.result,
    }

    @router.get("/gettoken")
    async def gettoken(corpid: str = "", corpsecret: str = "") -> Response:
        return provider.token(corpid, corpsecret)

    @router.post("/{path:path}")
    async def call(path: str, request: Request, access_token: str = "") -> Response:
        raw = await request.body()
        if not provider.knows(access_token):
            return _error(40014)
        try:
            document = msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.DecodeError:
            return _error(47001)
        action = actions.get(path)
        return action(document, raw) if action is not None else _error(40066)

    return router


class _Wecom:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._token = ""
        self._token_ends_ms = 0
        self._by_digest = {message.body["digest"]: message for message in sandbox.log.find("staff_task")}

    def token(self, corp_id: str, secret: str) -> Response:
        """The token in force, or a new one when it has run out."""
        self._sandbox.calls["gettoken"] += 1
        settings = self._sandbox.settings
        if corp_id != settings.wecom_corp_id:
            return _error(40013)
        if not hmac.compare_digest(secret.encode(), settings.wecom_secret.get_secret_value().encode()):
            return _error(40001)
        if self._sandbox.now_ms() >= self._token_ends_ms:
            self._token = secrets.token_urlsafe(32)
            self._token_ends_ms = self._sandbox.now_ms() + _TOKEN_LIFE_S * 1_000
        return JSONResponse({"errcode": 0, "access_token": self._token, "expires_in": _TOKEN_LIFE_S})

    def knows(self, token: str) -> bool:
        """Whether this is the token in force."""
        return bool(self._token) and hmac.compare_digest(token.encode(), self._token.encode())

    def send(self, document: dict[str, Any], raw: bytes) -> Response:
        """Deliver a card to staff, once per identical request and interval."""
        sandbox = self._sandbox
        fault, script = sandbox.faults.next("staff_task"), sandbox.faults.script("staff_task")
        refused = self._refusal(fault)
        if refused is not None:
            return refused
        if document.get("msgtype") != "textcard" or not isinstance(document.get("textcard"), dict):
            return _error(40008)
        users = [user for user in str(document.get("touser", "")).split("|") if user]
        if not set(users) - script.refused:
            return _error(81013)
        digest = hashlib.sha256(raw).hexdigest()
        message = self._repeated(document, digest)
        if message is not None:
            sandbox.log.append(Suppressed(ref=message.ref, at_ms=sandbox.now_ms()))
        else:
            message = Accepted(
                ref=sandbox.reference("app"),
                at_ms=sandbox.now_ms(),
                channel="staff_task",
                command_id=_command_id(document["textcard"].get("url", "")),
                to="|".join(users),
                body={"textcard": document["textcard"], "digest": digest},
            )
            sandbox.log.append(message)
            self._by_digest[digest] = message
        invalid = "|".join(user for user in users if user in script.refused)
        return answer(fault, script, {"errcode": 0, "errmsg": "ok", "invaliduser": invalid, "msgid": message.ref})

    def add(self, document: dict[str, Any], _raw: bytes) -> Response:
        """Make a task for the guide; nobody is written to yet."""
        sandbox = self._sandbox
        fault, script = sandbox.faults.next("wecom"), sandbox.faults.script("wecom")
        refused = self._refusal(fault)
        if refused is not None:
            return refused
        customers = [user for user in document.get("external_userid", []) if isinstance(user, str)]
        if document.get("chat_type") != "single" or not customers or not document.get("sender"):
            return _error(40058)
        reached = [user for user in customers if user not in script.refused]
        if not reached:
            return JSONResponse({"errcode": 0, "errmsg": "ok", "fail_list": customers, "msgid": ""})
        attachments = document.get("attachments", [])
        message = Accepted(
            ref=sandbox.reference("msg"),
            at_ms=sandbox.now_ms(),
            channel="wecom",
            command_id=next(filter(None, (_command_id(_link(part)) for part in attachments)), ""),
            to="|".join(reached),
            sender=document["sender"],
            body={"text": document.get("text", {}), "attachments": attachments},
        )
        sandbox.log.append(message)
        schedule_confirmation(sandbox, message)
        failed = [user for user in customers if user in script.refused]
        return answer(fault, script, {"errcode": 0, "errmsg": "ok", "fail_list": failed, "msgid": message.ref})

    def listing(self, question: dict[str, Any], _raw: bytes) -> Response:
        """The tasks made in a span of time."""
        begin, end = question.get("start_time", 0) * 1_000, question.get("end_time", 0) * 1_000
        found = [message for message in self._sandbox.log.find("wecom") if begin <= message.at_ms <= end]
        page, cursor = _page(found, question)
        rows = [
            {
                "msgid": message.ref,
                "create_time": str(message.at_ms // 1_000),
                "create_type": 0,
                "text": message.body["text"],
                "attachments": message.body["attachments"],
            }
            for message in page
        ]
        return JSONResponse({"errcode": 0, "errmsg": "ok", "next_cursor": cursor, "group_msg_list": rows})

    def result(self, question: dict[str, Any], _raw: bytes) -> Response:
        """What became of a task, customer by customer."""
        message = self._sandbox.log.get(str(question.get("msgid")))
        if message is None or message.channel != "wecom" or message.sender != question.get("userid"):
            return _error(41063)
        status = self._sandbox.log.status(message.ref) or UNSENT
        rows = [{"external_userid": user, "userid": message.sender, "status": status} for user in message.to.split("|")]
        page, cursor = _page(rows, question)
        return JSONResponse({"errcode": 0, "errmsg": "ok", "next_cursor": cursor, "send_list": page})

    def _refusal(self, fault: Fault) -> Response | None:
        if fault.code:
            return _error(int(fault.code))
        if fault.behaviour == "throttle":
            return _error(45009)
        return Response("busy", status_code=503) if fault.behaviour == "unavailable" else None

    def _repeated(self, document: dict[str, Any], digest: str) -> Accepted | None:
        if document.get("enable_duplicate_check") != 1:
            return None
        interval_s = min(document.get("duplicate_check_interval", _DEFAULT_INTERVAL_S), _LONGEST_INTERVAL_S)
        first = self._by_digest.get(digest)
        fresh = first is not None and self._sandbox.now_ms() - first.at_ms < interval_s * 1_000
        return first if fresh else None


def schedule_confirmation(sandbox: Sandbox, message: Accepted) -> None:
    """Let the guide confirm by himself, if the settings say so."""
    delay_ms = sandbox.settings.confirm_after_ms
    if delay_ms is not None:
        sandbox.later(delay_ms, partial(_confirm_later, sandbox, message.ref))


async def _confirm_later(sandbox: Sandbox, ref: str) -> None:
    confirm(sandbox, ref)


def confirm(sandbox: Sandbox, ref: str) -> bool:
    """The guide presses "send"; False: there is no such task, or it is done already."""
    message = sandbox.log.get(ref)
    if message is None or message.channel != "wecom" or sandbox.log.status(ref) is not None:
        return False
    lost = message.to in sandbox.faults.script("wecom").undeliverable
    sandbox.finish(ref, NOT_A_CONTACT if lost else SENT)
    return True


def _page(rows: list[_Row], question: dict[str, Any]) -> tuple[list[_Row], str]:
    begin, limit = int(question.get("cursor") or 0), int(question.get("limit") or 50)
    rest = begin + limit < len(rows)
    return rows[begin : begin + limit], str(begin + limit) if rest else ""


def _link(attachment: object) -> str:
    link = attachment.get("link", {}) if isinstance(attachment, dict) else {}
    return str(link.get("url", "")) if isinstance(link, dict) else ""


def _command_id(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("command_id", [""])[0]


def _error(code: int) -> Response:
    return JSONResponse({"errcode": code, "errmsg": f"refused, errcode {code}"})
