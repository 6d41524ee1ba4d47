"""The page behind a message's link, zh and en: asks once, and says what was done. Pure; knows HTML, no request."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import Final

_STYLE: Final = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:30rem;margin:12vh auto;padding:0 1.5rem;color:#222}"
    "h1{font-size:1.3rem}p.en{color:#666}button{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:6px;"
    "background:#0a6b4f;color:#fff;cursor:pointer}button:focus-visible{outline:3px solid #8fd3bf}"
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_CHANNELS: Final = {"email": ("邮件", "e-mail"), "sms": ("短信", "text message"), "wecom": ("企业微信", "WeCom")}
_PURPOSES: Final = {"marketing": ("营销", "offers"), "service": ("服务", "service messages")}


def question(channel: str, purpose: str) -> str:
    """Opening the link changes nothing, for scanners of mail open links, too: the reader presses the button."""
    (zh_channel, en_channel), (zh_purpose, en_purpose) = _names(channel, purpose)
    return _page(
        "退订",
        f"不再通过{zh_channel}接收{zh_purpose}消息？",
        f"No more {en_purpose} by {en_channel}?",
        '<form method="post"><button type="submit">退订 Unsubscribe</button></form>',
    )


def done(channel: str, purpose: str) -> str:
    """It is on record."""
    (zh_channel, en_channel), (zh_purpose, en_purpose) = _names(channel, purpose)
    return _page(
        "已退订",
        f"您将不再通过{zh_channel}收到我们的{zh_purpose}消息。",
        f"You will get no more {en_purpose} from us by {en_channel}.",
    )


def unknown() -> str:
    """The link is not one of ours, or was cut on its way."""
    return _page(
        "链接无效", "请使用消息中的完整链接。", "This link is not complete: use the one in the message as it is."
    )


def later() -> str:
    """Nothing is on record."""
    return _page("请稍后再试", "暂时无法记录，请稍后再试。", "It could not be recorded: please try again in a moment.")


def _names(channel: str, purpose: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return _CHANNELS.get(channel, (channel, channel)), _PURPOSES.get(purpose, (purpose, purpose))


def _page(title: str, zh: str, en: str, more: str = "") -> str:
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main><h1>{html.escape(title)}</h1>"
        f'<p>{html.escape(zh)}</p><p class="en" lang="en">{html.escape(en)}</p>{more}</main></body></html>'
    )
