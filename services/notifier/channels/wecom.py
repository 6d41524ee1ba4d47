"""WeCom: task cards to guides, and mass messages that a guide must confirm; it knows no token and no outbox."""

import hashlib
import html
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec
from typing_extensions import override

from services.notifier.channels.contract import (
    Accepted,
    Attempt,
    AwaitingStaff,
    Capabilities,
    Channel,
    Delivered,
    NowMs,
    Outbound,
    Outcome,
    PauseChannel,
    RejectMessage,
    RejectRecipient,
    Undelivered,
    Unknown,
)
from services.notifier.channels.wecom_api import Document, WecomApi

DEDUPE_S: Final = 14_400
"""The longest interval in which the provider suppresses an identical application message."""
COMMAND_PARAMETER: Final = "command_id"
_CARD_TITLE: Final = 128
_CARD_TEXT: Final = 512
_TEXT_BYTES: Final = 4_000
_TITLE_BYTES: Final = 128
_BEFORE_S: Final = 60
_AFTER_S: Final = 86_400
_LIST_LIMIT: Final = 100


class StaffTaskChannel(Channel):
    """A card to a guide (`to` is his userid). The provider itself suppresses a repeat within four hours."""

    def __init__(self, api: WecomApi) -> None:
        self._api = api

    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(
            lookup=False,
            lookup_complete=False,
            native_dedupe_ms=DEDUPE_S * 1_000,
            human_confirm=False,
            receipts="none",
        )

    @override
    async def send(self, outbound: Outbound) -> Outcome:
        card = staff_card(outbound, agent_id=self._api.config.agent_id, task_url=self._api.config.task_url)
        if card is None:
            return RejectMessage("card-too-long")
        answer = await self._api.call("message/send", card)
        if not isinstance(answer, dict):
            return answer
        invalid = answer.get("invaliduser")
        if isinstance(invalid, str) and outbound.to.value.lower() in invalid.lower().split("|"):
            return RejectRecipient("wecom-invaliduser", suppress=False)
        ref = answer.get("msgid")
        return Accepted(ref) if isinstance(ref, str) and ref else Unknown("unreadable-answer")

    @override
    async def look_up(self, attempt: Attempt) -> Outcome | None:
        return None

    @override
    async def close(self) -> None:
        await self._api.close()


class MassMessageChannel(Channel):
    """A mass message to one customer: the provider only makes a task for the guide named in `staff`."""

    def __init__(self, api: WecomApi, now_ms: NowMs) -> None:
        self._api = api
        self._now_ms = now_ms

    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(lookup=True, lookup_complete=True, native_dedupe_ms=0, human_confirm=True, receipts="poll")

    @override
    async def send(self, outbound: Outbound) -> Outcome:
        if not outbound.staff:
            return RejectRecipient("no-guide", suppress=False)
        message = mass_message(outbound, self._api.config.landing_url)
        if message is None:
            return RejectMessage("message-too-long")
        answer = await self._api.call("externalcontact/add_msg_template", message)
        if not isinstance(answer, dict):
            return answer
        failed = answer.get("fail_list")
        if isinstance(failed, list) and outbound.to.value in failed:
            return RejectRecipient("wecom-fail-list", suppress=False)
        ref = answer.get("msgid")
        return AwaitingStaff(ref) if isinstance(ref, str) and ref else Unknown("unreadable-answer")

    @override
    async def look_up(self, attempt: Attempt) -> Outcome | None:
        if attempt.provider_ref is not None:
            return await self._result(attempt.outbound, attempt.provider_ref)
        return await self._creation(attempt)

    @override
    async def close(self) -> None:
        await self._api.close()

    async def _result(self, outbound: Outbound, ref: str) -> Outcome | None:
        cursor = ""
        while True:
            question = {"msgid": ref, "userid": outbound.staff or "", "limit": 500, "cursor": cursor}
            answer = await self._api.call("externalcontact/get_groupmsg_send_result", question)
            page = _read(answer, _ResultPage)
            if not isinstance(page, _ResultPage):
                return page
            for row in page.send_list:
                if row.external_userid == outbound.to.value:
                    return _result_outcome(row.status, ref)
            if not page.next_cursor:
                return AwaitingStaff(ref)
            cursor = page.next_cursor

    async def _creation(self, attempt: Attempt) -> Outcome | None:
        """The task that an unanswered request may have made, found by the hash of what it says."""
        message = mass_message(attempt.outbound, self._api.config.landing_url)
        if message is None:
            return None
        wanted = content_hash(msgspec.convert(message, _Message))
        started_s = attempt.started_at_ms // 1_000
        cursor = ""
        while True:
            question = {
                "chat_type": "single",
                "start_time": started_s - _BEFORE_S,
                "end_time": min(self._now_ms() // 1_000 + _BEFORE_S, started_s + _AFTER_S),
                "limit": _LIST_LIMIT,
                "cursor": cursor,
            }
            page = _read(await self._api.call("externalcontact/get_groupmsg_list_v2", question), _ListPage)
            if not isinstance(page, _ListPage):
                return page
            for row in page.group_msg_list:
                if content_hash(row) == wanted:
                    return AwaitingStaff(row.msgid)
            if not page.next_cursor:
                return None
            cursor = page.next_cursor


def staff_card(outbound: Outbound, *, agent_id: int, task_url: str) -> Document | None:
    """The same command gives the same document: identical requests are what the provider suppresses. None: too long."""
    title = outbound.content.subject or "导购任务"
    description = html.escape(outbound.content.text, quote=False)
    if len(title) > _CARD_TITLE or len(description) > _CARD_TEXT:
        return None
    return {
        "touser": outbound.to.value,
        "msgtype": "textcard",
        "agentid": agent_id,
        "textcard": {
            "title": html.escape(title, quote=False),
            "description": description,
            "url": with_command(task_url, outbound.command_id),
            "btntxt": "去处理",
        },
        "enable_duplicate_check": 1,
        "duplicate_check_interval": DEDUPE_S,
    }


def mass_message(outbound: Outbound, landing_url: str) -> Document | None:
    """Text and one link that carries the command id, so that every task differs. None: too long."""
    title = outbound.content.subject or "查看详情"
    if len(outbound.content.text.encode()) > _TEXT_BYTES or len(title.encode()) > _TITLE_BYTES:
        return None
    link = {"title": title, "url": with_command(landing_url, outbound.command_id)}
    return {
        "chat_type": "single",
        "external_userid": [outbound.to.value],
        "sender": outbound.staff or "",
        "text": {"content": outbound.content.text},
        "attachments": [{"msgtype": "link", "link": link}],
    }


def with_command(url: str, command_id: str) -> str:
    """The address with the command id added to its query."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode({COMMAND_PARAMETER: command_id})}"


class _Text(msgspec.Struct, frozen=True):
    content: str = ""


class _Link(msgspec.Struct, frozen=True):
    title: str = ""
    url: str = ""


class _Attachment(msgspec.Struct, frozen=True):
    msgtype: str = ""
    link: _Link = _Link()


class _Message(msgspec.Struct, frozen=True):
    msgid: str = ""
    text: _Text = _Text()
    attachments: tuple[_Attachment, ...] = ()


class _ListPage(msgspec.Struct, frozen=True):
    group_msg_list: list[_Message] = []
    next_cursor: str = ""


class _Result(msgspec.Struct, frozen=True):
    status: int
    external_userid: str = ""


class _ResultPage(msgspec.Struct, frozen=True):
    send_list: list[_Result] = []
    next_cursor: str = ""


_Page = TypeVar("_Page", _ListPage, _ResultPage)


def content_hash(message: _Message) -> str:
    """A hash over what both a request and its later listing say; the provider adds fields of its own to the listing."""
    said = [message.text.content, [[part.msgtype, part.link.title, part.link.url] for part in message.attachments]]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def _read(answer: Document | Outcome, shape: type[_Page]) -> _Page | PauseChannel | Unknown:
    """A look-up's page; what kept us from reading it leaves the question open, except trouble with the account."""
    if not isinstance(answer, dict):
        return answer if isinstance(answer, PauseChannel) else Unknown("look-up-failed")
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError:
        return Unknown("look-up-unreadable-answer")


def _result_outcome(status: int, ref: str) -> Outcome:
    match status:
        case 0:
            return AwaitingStaff(ref)
        case 1:
            return Delivered(ref)
        case 2:
            return Undelivered(ref, "wecom-not-a-contact")
        case 3:
            return Undelivered(ref, "wecom-over-limit")
        case _:
            return Unknown(f"wecom-status-{status}")
