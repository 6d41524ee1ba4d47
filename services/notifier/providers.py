"""The providers a shop has contracts with, from one private file; knows accounts and adapters, no command."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from services.notifier.channels.contract import Channel, ChannelName
from services.notifier.channels.email import EmailChannel, EmailConfig
from services.notifier.channels.sms import SmsChannel, SmsConfig
from services.notifier.channels.templates import TemplateConfig
from services.notifier.channels.wecom import MassMessageChannel, StaffTaskChannel
from services.notifier.channels.wecom_api import WecomApi, WecomConfig
from services.notifier.channels.wire import HttpLimits
from shared import clock
from shared.private_files import PrivateFileError, read_private


class ProvidersError(ValueError):
    """The providers' file cannot be used; the message names the field and never shows a value."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Secrets are in here: nothing of it is ever printed."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(****)"


class EmailAccount(_Part, frozen=True, kw_only=True):
    """A relay and how mails introduce themselves."""

    host: str = ""
    port: int = 0
    sender: str
    sender_name: str
    message_id_domain: str
    unsubscribe_url: str
    unsubscribe_key: str
    username: str = ""
    password: str = ""
    security: Literal["starttls", "tls", "none"] = "starttls"


class SmsAccount(_Part, frozen=True, kw_only=True):
    """An Alibaba Cloud SMS account with its filed signature."""

    base_url: str = "https://dysmsapi.aliyuncs.com"
    key_id: str
    key_secret: str
    sign_name: str
    codes: dict[str, str] = {}
    """The provider's code of each template."""


class WecomAccount(_Part, frozen=True, kw_only=True):
    """A self-built WeCom application."""

    base_url: str = "https://qyapi.weixin.qq.com"
    corp_id: str
    agent_id: int
    secret: str
    task_url: str
    landing_url: str


class Providers(_Part, frozen=True, kw_only=True):
    """A channel that is left out is not served: its commands wait until they expire."""

    shop: str
    """The shop's name in messages."""
    email: EmailAccount | None = None
    sms: SmsAccount | None = None
    wecom: WecomAccount | None = None

    def templates(self) -> TemplateConfig:
        """What the templates need to know of the shop and its SMS account."""
        if self.sms is None:
            return TemplateConfig(shop=self.shop, sms_signature="")
        return TemplateConfig(shop=self.shop, sms_signature=self.sms.sign_name, sms_codes=self.sms.codes)


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Where providers are when it is not where the file says, and how much may go on at once."""

    base_url: str = ""
    smtp_host: str = ""
    smtp_port: int = 0
    unsubscribe_url: str = ""
    send_s: float = 20.0
    """Longest time of one send."""
    connections: int = 16
    """Per channel: as many as sends side by side, so that none waits inside for a free one."""


def read_providers(path: Path) -> Providers:
    """The file; ProvidersError unless it is private, JSON and complete."""
    try:
        return msgspec.json.decode(read_private(path), type=Providers)
    except PrivateFileError as error:
        raise ProvidersError(f"providers file: {error}") from None
    except msgspec.ValidationError as error:
        raise ProvidersError(f"providers file: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):  # their texts may quote the file
        raise ProvidersError(f"providers file: {path.name} is not JSON") from None


def open_channels(providers: Providers, reach: Reach) -> dict[ChannelName, Channel]:
    """An adapter for every account; each must be closed."""
    channels: dict[ChannelName, Channel] = {}
    if providers.email is not None:
        channels["email"] = EmailChannel(_email(providers.email, reach), clock.now_ms)
    if providers.sms is not None:
        channels["sms"] = SmsChannel(_sms(providers.sms, reach), clock.now_ms)
    if providers.wecom is not None:
        api = WecomApi(_wecom(providers.wecom, reach), clock.now_ms)
        channels["staff_task"] = StaffTaskChannel(api)
        channels["wecom"] = MassMessageChannel(api, clock.now_ms)
    return channels


def _http(reach: Reach, *, calls: int, share: int = 1) -> HttpLimits:
    """One send makes up to `calls` calls one after the other; `share` channels use the connections."""
    total_s = min(10.0, reach.send_s * 0.9 / calls)
    return HttpLimits(connect_s=min(3.0, total_s), total_s=total_s, connections=reach.connections * share)


def _email(account: EmailAccount, reach: Reach) -> EmailConfig:
    host, port = reach.smtp_host or account.host, reach.smtp_port or account.port
    if not host or not port:
        raise ProvidersError("providers file: email.host and email.port: must be set")
    return EmailConfig(
        host=host,
        port=port,
        sender=account.sender,
        sender_name=account.sender_name,
        message_id_domain=account.message_id_domain,
        unsubscribe_url=reach.unsubscribe_url or account.unsubscribe_url,
        unsubscribe_key=account.unsubscribe_key.encode(),
        username=account.username,
        password=account.password,
        security=account.security,
        connections=reach.connections,
        step_s=min(10.0, reach.send_s * 0.5),
        total_s=min(25.0, reach.send_s * 0.9),
    )


def _sms(account: SmsAccount, reach: Reach) -> SmsConfig:
    return SmsConfig(
        base_url=reach.base_url or account.base_url,
        key_id=account.key_id,
        key_secret=account.key_secret,
        sign_name=account.sign_name,
        limits=_http(reach, calls=1),
    )


def _wecom(account: WecomAccount, reach: Reach) -> WecomConfig:
    return WecomConfig(
        base_url=reach.base_url or account.base_url,
        corp_id=account.corp_id,
        agent_id=account.agent_id,
        secret=account.secret,
        task_url=account.task_url,
        landing_url=account.landing_url,
        limits=_http(reach, calls=2, share=2),
    )
