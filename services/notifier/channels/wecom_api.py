"""Calls to the WeCom API under one access token; it knows tokens and error codes, and no message."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import httpx2
import msgspec

from services.notifier.channels.contract import (
    Defer,
    NowMs,
    Outcome,
    PauseChannel,
    RejectMessage,
    RejectRecipient,
    Retry,
    Unknown,
)
from services.notifier.channels.wire import RETRY_MS, Answer, HttpLimits, create_client, exchange, status_outcome

EARLY_MS: Final = 300_000
"""A token is renewed this long before its end, so that none runs out on the way."""
_BLOCKED_MS: Final = {45009: 60_000, 45033: 5_000}
"""Too many calls per minute; too many at once."""
_TOKEN_GONE: Final = frozenset({40014, 42001})
_BUSY: Final = frozenset({-1, 6000})
_PAUSE: Final = frozenset({40001, 40013, 40014, 40056, 40091, 41001, 42001, 48002, 60011, 60020, 301002})
_NO_RELATION: Final = frozenset({40003, 40031, 81013, 84061})
"""The person is no member or no contact any more: the binding is dropped, the person is not silenced."""
_CONTENT: Final = frozenset({41006, 44001, 44004, 45002, 45008, 47001, 301014})


@dataclass(frozen=True, slots=True)
class WecomConfig:
    """One self-built application and the two pages its cards and links lead to."""

    base_url: str
    corp_id: str
    agent_id: int
    secret: str = field(repr=False)
    task_url: str
    """Page where a guide sees a task; gets the command id as a query parameter."""
    landing_url: str
    """Page a customer's link opens; gets the command id as a query parameter."""
    limits: HttpLimits = field(default_factory=HttpLimits)


Document = dict[str, object]


class _Token(msgspec.Struct, frozen=True):
    value: str
    renew_at_ms: int


class WecomApi:
    """One client for all channels of one application: they must share the token, or each renewal ends the other's."""

    def __init__(self, config: WecomConfig, now_ms: NowMs) -> None:
        self.config = config
        self._now_ms = now_ms
        self._client: httpx2.AsyncClient = create_client(config.base_url, config.limits)
        self._token: _Token | None = None
        self._renewal: asyncio.Task[_Token | Outcome] | None = None

    async def call(self, path: str, document: Mapping[str, object]) -> Document | Outcome:
        """POST a document (sorted keys: the same document is the same bytes).

        The answer's document when its errcode is 0, else the outcome; a token that the provider ended early is renewed
        once.
        """
        body = msgspec.json.encode(document, order="sorted")
        token = await self._current_token()
        if not isinstance(token, _Token):
            return token
        answer = await self._post(path, token, body)
        if answer_code(answer) in _TOKEN_GONE:
            token = await self._renewed(token)
            if not isinstance(token, _Token):
                return token
            answer = await self._post(path, token, body)
        return judge(answer, self._now_ms())

    async def close(self) -> None:
        """Give connections back; closing twice is harmless."""
        if self._renewal is not None:
            self._renewal.cancel()
        await self._client.aclose()

    async def _post(self, path: str, token: _Token, body: bytes) -> Answer | Outcome:
        target = f"/cgi-bin/{path}?{urlencode({'access_token': token.value})}"
        headers = {"content-type": "application/json"}
        ending = await exchange(self._client, "POST", target, headers=headers, body=body, limits=self.config.limits)
        return ending if isinstance(ending, Answer) else ending.outcome()

    async def _current_token(self) -> _Token | Outcome:
        token = self._token
        if token is not None and self._now_ms() < token.renew_at_ms:
            return token
        return await self._renewed(token)

    async def _renewed(self, stale: _Token | None) -> _Token | Outcome:
        """A token other than `stale`; callers that arrive together share one request and its end, good or bad."""
        if self._token is not None and self._token is not stale:
            return self._token
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(self._renew())
        # Shielded: a caller that gives up must not take the token from the others.
        return await asyncio.shield(self._renewal)

    async def _renew(self) -> _Token | Outcome:
        try:
            fetched = await self._fetch_token()
            self._token = fetched if isinstance(fetched, _Token) else None
        finally:
            self._renewal = None
        return fetched

    async def _fetch_token(self) -> _Token | Outcome:
        query = urlencode({"corpid": self.config.corp_id, "corpsecret": self.config.secret})
        target = f"/cgi-bin/gettoken?{query}"
        ending = await exchange(self._client, "GET", target, headers={}, body=b"", limits=self.config.limits)
        verdict = judge(ending, self._now_ms()) if isinstance(ending, Answer) else ending.outcome()
        if not isinstance(verdict, dict):
            # Whatever happened to the question for a token, the message itself has not left the house.
            return Retry(RETRY_MS, f"gettoken-{verdict.reason}") if isinstance(verdict, Unknown) else verdict
        value, lifetime = verdict.get("access_token"), verdict.get("expires_in")
        if not (isinstance(value, str) and isinstance(lifetime, int)):
            return Retry(RETRY_MS, "gettoken-unreadable-answer")
        lifetime_ms = lifetime * 1_000
        return _Token(value, self._now_ms() + max(lifetime_ms - EARLY_MS, lifetime_ms // 2))


def answer_code(answer: Answer | Outcome) -> int | None:
    """The errcode of an answer, or None when there is none to read."""
    document = answer.document() if isinstance(answer, Answer) and answer.status == 200 else None
    code = document.get("errcode", 0) if document is not None else None
    return code if isinstance(code, int) else None


def judge(answer: Answer | Outcome, now_ms: int) -> Document | Outcome:
    """The document of a success, else what the errcode means; errmsg is for people and decides nothing."""
    if not isinstance(answer, Answer):
        return answer
    code = answer_code(answer)
    document = answer.document()
    if code is None or document is None:
        return status_outcome(answer) or Unknown("unreadable-answer")
    return document if code == 0 else errcode_outcome(code, now_ms)


def errcode_outcome(code: int, now_ms: int) -> Outcome:
    """The meaning of a documented errcode; one that is not on the list proves nothing."""
    reason = f"wecom-{code}"
    if code in _BUSY:
        return Retry(RETRY_MS, reason)
    if code in _BLOCKED_MS:
        return Defer(now_ms + _BLOCKED_MS[code], reason)
    if code in _PAUSE:
        return PauseChannel(reason)
    if code in _NO_RELATION:
        return RejectRecipient(reason, suppress=False)
    blames_content = code in _CONTENT or 40000 <= code < 41000
    return RejectMessage(reason) if blames_content else Unknown(reason)
