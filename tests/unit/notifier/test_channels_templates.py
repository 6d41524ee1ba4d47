"""Templates give whole messages or say why not."""

import msgspec
import pytest

from services.notifier.channels.contract import ChannelName
from services.notifier.channels.templates import (
    RenderError,
    TemplateBook,
    TemplateConfig,
    TemplateText,
    builtin_sources,
    read_sources,
)

VARIABLES: dict[str, object] = {"days": 30, "product": "龙井茶", "customer": "c-1"}
CONFIG = TemplateConfig(
    shop="回头小店", sms_signature="回头", sms_codes=dict.fromkeys([*builtin_sources(), "t"], "SMS_1")
)
BUILTIN = [(name, channel) for name, channels in builtin_sources().items() for channel in channels]
EXPECTED = {
    "repurchase-reminder",
    "silent-recall",
    "sleep-warning",
    "churn-recall",
    "birthday",
    "birthday-sms",
    "browse-no-order",
    "thank-you",
}


def one(channel: ChannelName, source: TemplateText) -> TemplateBook:
    return TemplateBook({"t": {channel: source}}, CONFIG)


def test_every_promised_template_is_there() -> None:
    assert set(builtin_sources()) == EXPECTED


@pytest.mark.parametrize(("name", "channel"), BUILTIN)
def test_every_builtin_text_is_whole(name: str, channel: ChannelName) -> None:
    content = TemplateBook(builtin_sources(), CONFIG).render(name, channel, VARIABLES)

    assert content.text
    assert "{" not in content.text + content.subject + content.html
    assert bool(content.subject) == (channel != "sms")
    assert bool(content.html) == (channel == "email")
    assert content.text.endswith("拒收请回复R【回头】") == (channel == "sms")
    assert bool(content.template_code) == (channel == "sms")


@pytest.mark.parametrize(("name", "channel"), BUILTIN)
def test_the_same_variables_give_the_same_message(name: str, channel: ChannelName) -> None:
    first = TemplateBook(builtin_sources(), CONFIG).render(name, channel, VARIABLES)
    second = TemplateBook(builtin_sources(), CONFIG).render(name, channel, dict(reversed(VARIABLES.items())))

    assert first == second


@pytest.mark.parametrize("variables", [{}, {"days": None}, {"days": ""}, {"Days": 3}])
@pytest.mark.parametrize("channel", ["email", "sms", "wecom"])
def test_a_missing_variable_is_named_and_nothing_is_rendered(
    channel: ChannelName, variables: dict[str, object]
) -> None:
    with pytest.raises(RenderError, match="days"):
        TemplateBook(builtin_sources(), CONFIG).render("silent-recall", channel, variables)


def test_a_missing_name_falls_back_to_a_greeting() -> None:
    book = TemplateBook(builtin_sources(), CONFIG)

    assert book.render("thank-you", "wecom", {}).text.startswith("您好，")
    assert book.render("thank-you", "wecom", {"name": "李华"}).text.startswith("李华，")


def test_html_is_escaped_and_text_is_not() -> None:
    content = TemplateBook(builtin_sources(), CONFIG).render("browse-no-order", "email", {"product": "<b>茶&</b>"})

    assert "&lt;b&gt;茶&amp;&lt;/b&gt;" in content.html
    assert "<b>茶&</b>" in content.text


def test_sms_parameters_are_the_variables_the_template_names() -> None:
    content = TemplateBook(builtin_sources(), CONFIG).render("silent-recall", "sms", {"days": 30, "name": "李华"})

    assert content.params == {"days": "30"}


REFUSED: list[tuple[ChannelName, TemplateText, dict[str, object], str]] = [
    ("wecom", TemplateText(text="你好 {{ a }}"), {"a": "{{ b }}"}, "template marks"),
    ("wecom", TemplateText(text="{{ a }}"), {"a": "长" * 1_301}, "text is longer than 1300"),
    ("wecom", TemplateText(text="x", subject="{{ a }}"), {"a": "长" * 41}, "subject is longer than 40"),
    ("sms", TemplateText(text="{{ a }}", params=("a",)), {"a": "长" * 36}, "variable a is longer than 35"),
    ("sms", TemplateText(text="{{ a }}", params=("a",)), {"a": "http://x.example"}, "variable a holds a link"),
    ("sms", TemplateText(text="{{ a }}", params=("a",)), {"a": "【假】"}, "variable a holds a link, a bracket"),
    ("sms", TemplateText(text="x", params=("a",)), {}, "variable a is missing"),
    ("sms", TemplateText(text="{{ a }}"), {"a": "长" * 500}, "text is longer than 500"),
    ("wecom", TemplateText(text="{% for i in (1..2000) %}x{% endfor %}"), {}, "LoopIterationLimitError"),
    ("wecom", TemplateText(text="{% for i in (1..900) %}{{ a }}{% endfor %}"), {"a": "x" * 999}, "OutputStreamLimit"),
    ("wecom", TemplateText(text="{{ a | no_such_filter }}"), {"a": "x"}, "UnknownFilterError"),
    ("wecom", TemplateText(text="{% include 'secrets' %}"), {}, "TemplateNotFoundError"),
    ("wecom", TemplateText(text="{{ a }}"), {"a": "\ud800"}, "UnicodeEncodeError"),
]


@pytest.mark.parametrize(("channel", "source", "variables", "reason"), REFUSED)
def test_what_would_not_be_a_whole_message_is_refused(
    channel: ChannelName, source: TemplateText, variables: dict[str, object], reason: str
) -> None:
    with pytest.raises(RenderError, match=reason):
        one(channel, source).render("t", channel, variables)


def test_a_refusal_never_repeats_a_value() -> None:
    with pytest.raises(RenderError) as refused:
        one("sms", TemplateText(text="{{ a }}", params=("a",))).render("t", "sms", {"a": "13912345678" * 5})

    assert "139" not in str(refused.value)


def test_a_template_without_provider_code_or_channel_is_refused() -> None:
    book = TemplateBook(builtin_sources(), TemplateConfig(shop="店", sms_signature="店"))

    with pytest.raises(RenderError, match="no provider code"):
        book.render("birthday-sms", "sms", {})
    with pytest.raises(RenderError, match="no text for channel sms"):
        book.render("birthday", "sms", VARIABLES)
    with pytest.raises(RenderError, match="no text for channel email"):
        book.render("unheard-of", "email", {})


def test_faulty_sources_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(RenderError, match="not valid Liquid"):
        one("wecom", TemplateText(text="{% if %}"))
    with pytest.raises(RenderError, match="subject, text and html"):
        one("email", TemplateText(text="x", subject="y"))
    with pytest.raises(msgspec.ValidationError, match="subjekt"):
        read_sources("t: {email: {text: x, subjekt: y}}")
    with pytest.raises(msgspec.ValidationError, match="pigeon"):
        read_sources("t: {pigeon: {text: x}}")
