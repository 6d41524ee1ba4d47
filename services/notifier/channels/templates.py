"""Message templates per channel; it knows Liquid and length limits, and must not know persons or the wire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import ClassVar, Final

import msgspec
import yaml
from liquid import BoundTemplate, Environment, StrictDefaultUndefined
from liquid.exceptions import LiquidError, UndefinedError

from services.notifier.channels.contract import ChannelName, Content

OPT_OUT: Final = "拒收请回复R"
"""Every commercial SMS must carry a way to refuse."""
_TEXT_LIMIT: Final[Mapping[ChannelName, int]] = {"email": 20_000, "sms": 500, "staff_task": 400, "wecom": 1_300}
"""Characters of the finished text; WeCom counts 4,000 bytes, at three bytes a character."""
_SUBJECT_LIMIT: Final[Mapping[ChannelName, int]] = {"email": 150, "sms": 0, "staff_task": 40, "wecom": 40}
_SMS_PARAM_LIMIT: Final = 35
_NOT_IN_SMS_PARAM: Final = ("http", "www.", "【", "】", "\n", "\r")
"""Providers refuse links in variables, and brackets would forge a signature."""


class RenderError(Exception):
    """This message cannot be made from these variables; names the template and the cause, never a value."""

    def __init__(self, template_id: str, reason: str) -> None:
        super().__init__(f"template {template_id}: {reason}")
        self.template_id = template_id
        self.reason = reason


class TemplateText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Liquid sources of one template on one channel; `params` names the variables sent to the SMS provider."""

    text: str
    subject: str = ""
    html: str = ""
    params: tuple[str, ...] = ()


_Parser = Callable[[str, str], BoundTemplate]
TemplateSources = Mapping[str, Mapping[ChannelName, TemplateText]]


class _TextEnvironment(Environment):
    loop_iteration_limit: ClassVar[int | None] = 1_000
    output_stream_limit: ClassVar[int | None] = 100_000
    local_namespace_limit: ClassVar[int | None] = 100_000
    context_depth_limit: ClassVar[int] = 10


@dataclass(frozen=True, slots=True)
class TemplateConfig:
    """What a shop adds to its templates: its name, the filed SMS signature and the provider's code per SMS template."""

    shop: str
    sms_signature: str
    sms_codes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: BoundTemplate
    subject: BoundTemplate
    html: BoundTemplate
    params: tuple[str, ...]


class TemplateBook:
    """All templates of a shop, parsed once; raises RenderError for a source that is not valid."""

    def __init__(self, sources: TemplateSources, config: TemplateConfig) -> None:
        self._config = config
        plain = _TextEnvironment(undefined=StrictDefaultUndefined)
        escaped = _TextEnvironment(undefined=StrictDefaultUndefined, autoescape=True)
        self._compiled = {
            (template_id, channel): _compile(
                template_id, channel, source, partial(_parse, plain), partial(_parse, escaped)
            )
            for template_id, channels in sources.items()
            for channel, source in channels.items()
        }

    def names(self) -> list[tuple[str, ChannelName]]:
        """Every template with every channel it has a text for, in the order of the file."""
        return list(self._compiled)

    def render(self, template_id: str, channel: ChannelName, variables: Mapping[str, object]) -> Content:
        """The finished message; raises RenderError when anything is missing or too long."""
        compiled = self._compiled.get((template_id, channel))
        if compiled is None:
            raise RenderError(template_id, f"has no text for channel {channel}")
        # An empty value would leave a hole in the sentence, so it counts as missing and lets a default step in.
        known = {name: value for name, value in variables.items() if value is not None and value != ""}
        known["shop"] = self._config.shop
        text = _fill(template_id, compiled.text, known)
        subject = " ".join(_fill(template_id, compiled.subject, known).split())
        content = Content(text=text, subject=subject, html=_fill(template_id, compiled.html, known))
        if channel == "sms":
            content = self._sms(template_id, content, {name: known.get(name) for name in compiled.params})
        _check_length(template_id, "text", content.text, _TEXT_LIMIT[channel])
        _check_length(template_id, "subject", content.subject, _SUBJECT_LIMIT[channel])
        return content

    def _sms(self, template_id: str, content: Content, params: Mapping[str, object]) -> Content:
        code = self._config.sms_codes.get(template_id)
        if not code:
            raise RenderError(template_id, "sms_codes holds no provider code for it")
        texts = {}
        for name, value in params.items():
            if value is None:
                raise RenderError(template_id, f"variable {name} is missing")
            texts[name] = str(value)
            _check_length(template_id, f"variable {name}", texts[name], _SMS_PARAM_LIMIT)
            if any(mark in texts[name].lower() for mark in _NOT_IN_SMS_PARAM):
                raise RenderError(template_id, f"variable {name} holds a link, a bracket or a line break")
        text = f"{content.text}{OPT_OUT}【{self._config.sms_signature}】"
        return Content(text=text, template_code=code, params=texts)


def read_sources(document: str) -> TemplateSources:
    """Template sources from YAML; raises msgspec.ValidationError naming the field that is wrong."""
    return msgspec.convert(yaml.safe_load(document), type=dict[str, dict[ChannelName, TemplateText]])


def builtin_sources() -> TemplateSources:
    """The templates the product brings along (Chinese)."""
    return read_sources(files("services.notifier.channels").joinpath("templates.zh.yaml").read_text("utf-8"))


def _compile(
    template_id: str, channel: ChannelName, source: TemplateText, plain: _Parser, escaped: _Parser
) -> _Compiled:
    if channel == "email" and not (source.subject and source.html):
        raise RenderError(template_id, "an email needs subject, text and html")
    return _Compiled(
        text=plain(template_id, source.text),
        subject=plain(template_id, source.subject),
        html=escaped(template_id, source.html),
        params=source.params,
    )


def _parse(environment: Environment, template_id: str, source: str) -> BoundTemplate:
    try:
        return environment.from_string(source)
    except LiquidError as error:
        raise RenderError(template_id, f"is not valid Liquid: {type(error).__name__}") from None


def _fill(template_id: str, template: BoundTemplate, variables: Mapping[str, object]) -> str:
    try:
        text = template.render(**variables)
        text.encode()
    except UndefinedError as error:
        raise RenderError(template_id, f"a variable is missing: {error.message}") from None
    except (LiquidError, UnicodeEncodeError) as error:
        raise RenderError(template_id, type(error).__name__) from None
    if "{{" in text or "{%" in text:
        raise RenderError(template_id, "the finished text still holds template marks")
    return text


def _check_length(template_id: str, what: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise RenderError(template_id, f"{what} is longer than {limit} characters")
