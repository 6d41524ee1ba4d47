"""Alibaba Cloud SMS as the outside sees it: signature check, SendSms, QuerySendDetails, receipts and replies."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from urllib.parse import parse_qsl, quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from deploy.sandbox.context import Sandbox, answer
from deploy.sandbox.message_log import Accepted

_ZONE = ZoneInfo("Asia/Shanghai")
_SKEW_MS = 15 * 60_000
ARRIVED, FAILED, WAITING = 3, 2, 1


def create_router(sandbox: Sandbox) -> APIRouter:
    """The one address that takes every action."""
    router = APIRouter()
    provider = _Aliyun(sandbox)

    @router.post("/")
    async def call(request: Request) -> Response:
        body = await request.body()
        raw_query = request.url.query
        refused = provider.check(request.method, raw_query, request.headers, body)
        if refused is not None:
            return refused
        params = dict(parse_qsl(raw_query, keep_blank_values=True))
        match request.headers.get("x-acs-action"):
            case "SendSms":
                return provider.send(params)
            case "QuerySendDetails":
                return provider.details(params)
            case _:
                return _error(404, "InvalidAction.NotFound")

    return router


class _Aliyun:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._nonces: set[str] = set()

    def check(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> Response | None:
        """The refusal an unsigned, wrongly signed, old or repeated request earns; None: it may pass."""
        settings = self._sandbox.settings
        scheme, _, fields = headers.get("authorization", "").partition(" ")
        parts = dict(part.split("=", 1) for part in fields.split(",") if "=" in part)
        if scheme != "ACS3-HMAC-SHA256" or not {"Credential", "SignedHeaders", "Signature"} <= parts.keys():
            return _error(400, "IncompleteSignature")
        if parts["Credential"] != settings.sms_key_id:
            return _error(404, "InvalidAccessKeyId.NotFound")
        secret = settings.sms_key_secret.get_secret_value()
        expected = sign(method, query, headers, signed=parts["SignedHeaders"], secret=secret)
        whole = headers.get("x-acs-content-sha256") == hashlib.sha256(body).hexdigest()
        if not (whole and hmac.compare_digest(expected.encode(), parts["Signature"].encode())):
            return _error(400, "SignatureDoesNotMatch")
        return self._stale(headers)

    def _stale(self, headers: Mapping[str, str]) -> Response | None:
        if abs(self._sandbox.now_ms() - _instant_ms(headers.get("x-acs-date", ""))) > _SKEW_MS:
            return _error(400, "InvalidTimeStamp.Expired")
        nonce = headers.get("x-acs-signature-nonce", "")
        if not nonce or nonce in self._nonces:
            return _error(400, "SignatureNonceUsed")
        self._nonces.add(nonce)
        return None

    def send(self, params: Mapping[str, str]) -> Response:
        """SendSms: take one message, or refuse it."""
        sandbox = self._sandbox
        fault, script = sandbox.faults.next("sms"), sandbox.faults.script("sms")
        if fault.code:
            return _error(200, fault.code)
        if fault.behaviour == "throttle":
            return _error(429, "Throttling.User", {"retry-after": str(script.retry_after_s)})
        if fault.behaviour == "unavailable":
            return _error(503, "ServiceUnavailable")
        number = params.get("PhoneNumbers", "")
        refusal = _refusal(params) or ("isv.MOBILE_NUMBER_ILLEGAL" if number in script.refused else None)
        if refusal is not None:
            return _error(200, refusal)
        message = Accepted(
            ref=sandbox.reference("9000"),
            at_ms=sandbox.now_ms(),
            channel="sms",
            command_id=params.get("OutId", ""),
            to=number,
            sender=params["SignName"],
            body={"template_code": params["TemplateCode"], "template_param": json.loads(params["TemplateParam"])},
        )
        sandbox.log.append(message)
        schedule_receipt(sandbox, message)
        return answer(fault, script, {"Code": "OK", "Message": "OK", "BizId": message.ref, "RequestId": message.ref})

    def details(self, params: Mapping[str, str]) -> Response:
        """QuerySendDetails: what one number was sent on one day."""
        size, page = int(params.get("PageSize", "10")), int(params.get("CurrentPage", "1"))
        found = [
            message
            for message in self._sandbox.log.find("sms")
            if message.to == params.get("PhoneNumber")
            and _local(message.at_ms).strftime("%Y%m%d") == params.get("SendDate")
            and params.get("BizId") in (None, "", message.ref)
        ]
        rows = [self._row(message) for message in found[(page - 1) * size : page * size]]
        return JSONResponse(
            {
                "Code": "OK",
                "Message": "OK",
                "TotalCount": str(len(found)),
                "SmsSendDetailDTOs": {"SmsSendDetailDTO": rows},
            }
        )

    def _row(self, message: Accepted) -> dict[str, object]:
        status = self._sandbox.log.status(message.ref) or WAITING
        return {
            "PhoneNum": message.to,
            "OutId": message.command_id,
            "TemplateCode": message.body["template_code"],
            "SendDate": _written(message.at_ms),
            "SendStatus": status,
            "ErrCode": {ARRIVED: "DELIVERED", FAILED: "MK:0010"}.get(status, ""),
        }


def schedule_receipt(sandbox: Sandbox, message: Accepted) -> None:
    """Let the handset answer after the usual delay: the state changes and the receipt goes out."""
    sandbox.later(sandbox.settings.receipt_delay_ms, partial(_arrive, sandbox, message))


async def _arrive(sandbox: Sandbox, message: Accepted) -> None:
    arrived = message.to not in sandbox.faults.script("sms").undeliverable
    sandbox.finish(message.ref, ARRIVED if arrived else FAILED)
    report = {
        "phone_number": message.to,
        "send_time": _written(message.at_ms),
        "report_time": _written(sandbox.now_ms()),
        "success": arrived,
        "err_code": "DELIVERED" if arrived else "MK:0010",
        "err_msg": "用户接收成功" if arrived else "用户关机",
        "sms_size": "1",
        "biz_id": message.ref,
        "out_id": message.command_id,
    }
    await sandbox.tell("sms-report", [report])


async def reply(sandbox: Sandbox, *, phone_number: str, content: str) -> None:
    """A person answers an SMS: the provider passes it on without saying to which message."""
    up = {
        "phone_number": phone_number,
        "content": content,
        "send_time": _written(sandbox.now_ms()),
        "dest_code": "10690000",
        "sequence_id": sandbox.now_ms(),
    }
    await sandbox.tell("sms-reply", [up])


def sign(method: str, query: str, headers: Mapping[str, str], *, signed: str, secret: str) -> str:
    """The signature the provider computes from what it received."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    canonical_query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    header_lines = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in signed.split(";"))
    body_hash = headers.get("x-acs-content-sha256", "")
    canonical = f"{method}\n/\n{canonical_query}\n{header_lines}\n{signed}\n{body_hash}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return hmac.new(secret.encode(), f"ACS3-HMAC-SHA256\n{digest}".encode(), hashlib.sha256).hexdigest()


def _refusal(params: Mapping[str, str]) -> str | None:
    number = params.get("PhoneNumbers", "")
    if not (number.isascii() and number.isdigit() and len(number) >= 8):
        return "isv.MOBILE_NUMBER_ILLEGAL"
    if not params.get("SignName"):
        return "isv.SMS_SIGNATURE_ILLEGAL"
    if not params.get("TemplateCode", "").startswith("SMS_"):
        return "isv.SMS_TEMPLATE_ILLEGAL"
    try:
        values = json.loads(params.get("TemplateParam", ""))
    except json.JSONDecodeError:
        return "isv.INVALID_JSON_PARAM"
    return None if isinstance(values, dict) else "isv.INVALID_JSON_PARAM"


def _error(status: int, code: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"Code": code, "Message": code, "RequestId": "-"}, status_code=status, headers=headers)


def _instant_ms(written: str) -> int:
    try:
        instant = datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(instant.timestamp()) * 1_000


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, _ZONE)


def _written(at_ms: int) -> str:
    return _local(at_ms).strftime("%Y-%m-%d %H:%M:%S")
