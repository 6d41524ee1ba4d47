"""SMS through Alibaba Cloud (Dysms 2017-05-25) on a thin signed client; it knows the wire and its error codes only."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import httpx2
import msgspec
from typing_extensions import override

from services.notifier.channels.aliyun_signing import authorization, canonical_query
from services.notifier.channels.contract import (
    Accepted,
    Address,
    Attempt,
    Capabilities,
    Channel,
    Defer,
    Delivered,
    NowMs,
    Outbound,
    Outcome,
    PauseChannel,
    RejectMessage,
    RejectRecipient,
    Retry,
    Undelivered,
    Unknown,
)
from services.notifier.channels.wire import Answer, Ending, HttpLimits, create_client, exchange, status_outcome

SHOP_ZONE: Final = ZoneInfo("Asia/Shanghai")
"""The provider counts days, in quotas and in look-ups, in this zone."""
_MINUTE_MS: Final = 60_000
_BUSY_MS: Final = 5_000
_PAGE: Final = 50
_LATE_MS: Final = 15 * _MINUTE_MS
"""A send begun this shortly before midnight may be filed under the next day."""

_BUSY: Final = frozenset({"isp.SYSTEM_ERROR", "ServiceUnavailable"})
_PAUSE: Final = frozenset(
    {
        "isv.DAY_LIMIT_CONTROL",
        "isv.MONTH_LIMIT_CONTROL",
        "isv.OUT_OF_SERVICE",
        "isp.RAM_PERMISSION_DENY",
        "isv.DENY_IP_RANGE",
        "isv.PRODUCT_UN_SUBSCRIPT",
        "isv.PRODUCT_UNSUBSCRIBE",
        "isv.AMOUNT_NOT_ENOUGH",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "InvalidTimeStamp.Expired",
        "NoPermission",
    }
)
_PAUSE_PREFIXES: Final = ("isv.ACCOUNT_", "InvalidAccessKeyId", "Forbidden")
_BAD_NUMBER: Final = {"isv.MOBILE_NUMBER_ILLEGAL": True, "isv.DOMESTIC_NUMBER_NOT_SUPPORTED": False}
"""Code to whether the number shall be silenced for good."""


@dataclass(frozen=True, slots=True)
class SmsConfig:
    """Account and signature; `sign_name` must be the filed one, `base_url` is the provider's or the sandbox's."""

    base_url: str
    key_id: str
    key_secret: str = field(repr=False)
    sign_name: str
    limits: HttpLimits = field(default_factory=HttpLimits)
    lookup_complete: bool = True
    """Whether an empty QuerySendDetails proves that nothing was accepted; turn off where listings were seen to lag."""


class SmsChannel(Channel):
    """Sends one SMS per call. The provider never suppresses a repeat: after Unknown only a look-up may decide."""

    def __init__(self, config: SmsConfig, now_ms: NowMs) -> None:
        self._config = config
        self._now_ms = now_ms
        self._client: httpx2.AsyncClient = create_client(config.base_url, config.limits)

    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(
            lookup=True,
            lookup_complete=self._config.lookup_complete,
            native_dedupe_ms=0,
            human_confirm=False,
            receipts="push",
        )

    @override
    async def send(self, outbound: Outbound) -> Outcome:
        number = provider_number(outbound.to)
        if number is None:
            return RejectRecipient("not-a-phone-number", suppress=False)
        if not outbound.content.template_code:
            return RejectMessage("no-template-code")
        params = {
            "PhoneNumbers": number,
            "SignName": self._config.sign_name,
            "TemplateCode": outbound.content.template_code,
            "TemplateParam": msgspec.json.encode(dict(outbound.content.params), order="sorted").decode(),
            "OutId": outbound.command_id,
        }
        return send_outcome(await self._call("SendSms", params), self._now_ms())

    @override
    async def look_up(self, attempt: Attempt) -> Outcome | None:
        number = provider_number(attempt.outbound.to)
        if number is None:
            return None
        for day in _days(attempt.started_at_ms):
            found = await self._look_up_day(attempt, number, day)
            if found is not None:
                return found
        return None

    @override
    async def close(self) -> None:
        await self._client.aclose()

    async def _look_up_day(self, attempt: Attempt, number: str, day: str) -> Outcome | None:
        page, seen = 1, 0
        while True:
            params = {"PhoneNumber": number, "SendDate": day, "PageSize": str(_PAGE), "CurrentPage": str(page)}
            ending = await self._call("QuerySendDetails", params)
            details = _details(ending)
            if not isinstance(details, _Details):
                return details
            for row in details.rows:
                if row.OutId == attempt.outbound.command_id:
                    return _row_outcome(row, attempt.provider_ref or attempt.outbound.command_id)
            seen += len(details.rows)
            if not details.rows or seen >= details.total:
                return None
            page += 1

    async def _call(self, action: str, params: Mapping[str, str]) -> Ending:
        query = canonical_query(params)
        headers = {
            "host": self._client.base_url.netloc.decode(),
            "x-acs-action": action,
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
            "x-acs-date": datetime.fromtimestamp(self._now_ms() // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-version": "2017-05-25",
        }
        headers["authorization"] = authorization(
            key_id=self._config.key_id,
            key_secret=self._config.key_secret,
            method="POST",
            query=query,
            headers=headers,
        )
        return await exchange(self._client, "POST", f"/?{query}", headers=headers, body=b"", limits=self._config.limits)


def provider_number(to: Address) -> str | None:
    """The number as the provider writes it: +86 goes, other country codes stay without the plus; None: no number."""
    digits = to.value.removeprefix("+86").removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() and 5 <= len(digits) <= 15 else None


def send_outcome(ending: Ending, now_ms: int) -> Outcome:
    """What the end of a SendSms call means; business refusals come with HTTP 200 and a code."""
    if not isinstance(ending, Answer):
        return ending.outcome()
    document = ending.document()
    code = document.get("Code") if document else None
    if document is None or not isinstance(code, str):
        return status_outcome(ending) or Unknown("unreadable-answer")
    if code != "OK":
        return _refusal(code, str(document.get("Message", "")), ending, now_ms)
    ref = document.get("BizId")
    return Accepted(ref) if ending.status == 200 and isinstance(ref, str) and ref else Unknown("unreadable-answer")


def _refusal(code: str, message: str, answer: Answer, now_ms: int) -> Outcome:
    if code in _BUSY:
        return Retry(_BUSY_MS, code)
    if code.startswith("Throttling"):
        return Retry(answer.retry_after_ms or _BUSY_MS, code)
    if code == "isv.BUSINESS_LIMIT_CONTROL":
        return Defer(_limit_lifts_ms(message, now_ms), code)
    if code in _PAUSE or code.startswith(_PAUSE_PREFIXES):
        return PauseChannel(code)
    if code in _BAD_NUMBER:
        return RejectRecipient(code, suppress=_BAD_NUMBER[code])
    # Every isv. code blames the request, so nothing was sent; any other unlisted code promises nothing.
    return RejectMessage(code) if code.startswith("isv.") else status_outcome(answer) or Unknown("undocumented-code")


def _limit_lifts_ms(message: str, now_ms: int) -> int:
    if "分钟" in message:
        return now_ms + _MINUTE_MS
    if "天" in message:
        today = datetime.fromtimestamp(now_ms / 1_000, SHOP_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        return int((today + timedelta(days=1)).timestamp()) * 1_000
    return now_ms + 60 * _MINUTE_MS


class _Row(msgspec.Struct, frozen=True):
    OutId: str = ""
    SendStatus: int = 1
    ErrCode: str = ""


class _Rows(msgspec.Struct, frozen=True):
    SmsSendDetailDTO: list[_Row] = []


class _Page(msgspec.Struct, frozen=True):
    Code: str
    TotalCount: int | str = 0
    SmsSendDetailDTOs: _Rows = _Rows()


@dataclass(frozen=True, slots=True)
class _Details:
    rows: list[_Row]
    total: int


def _details(ending: Ending) -> _Details | PauseChannel | Unknown:
    if not isinstance(ending, Answer):
        return Unknown(f"look-up-{ending.reason}")
    try:
        page = msgspec.json.decode(ending.body, type=_Page)
        if page.Code == "OK":
            return _Details(page.SmsSendDetailDTOs.SmsSendDetailDTO, int(page.TotalCount))
    except (msgspec.DecodeError, ValueError):
        return Unknown("look-up-unreadable-answer")
    refused = page.Code in _PAUSE or page.Code.startswith(_PAUSE_PREFIXES)
    return PauseChannel(page.Code) if refused else Unknown("look-up-refused")


def _row_outcome(row: _Row, ref: str) -> Outcome:
    if row.SendStatus == 3:
        return Delivered(ref)
    return Undelivered(ref, f"sms-{row.ErrCode or 'failed'}") if row.SendStatus == 2 else Accepted(ref)


def _days(started_at_ms: int) -> list[str]:
    instants = (started_at_ms, started_at_ms + _LATE_MS)
    days = (datetime.fromtimestamp(instant / 1_000, SHOP_ZONE).strftime("%Y%m%d") for instant in instants)
    return list(dict.fromkeys(days))
