"""What an answer proves: tables of answers and outcomes, without a network."""

import json
from collections.abc import Callable

import aiosmtplib
import msgspec
import pytest

from services.notifier.channels.contract import (
    Accepted,
    Address,
    Content,
    Defer,
    Outbound,
    Outcome,
    PauseChannel,
    RejectMessage,
    RejectRecipient,
    Retry,
    Unknown,
)
from services.notifier.channels.email import is_mailbox, refusal
from services.notifier.channels.sms import provider_number, send_outcome
from services.notifier.channels.wecom import mass_message, staff_card, with_command
from services.notifier.channels.wecom_api import judge
from services.notifier.channels.wire import Ambiguous, Answer, Ending, NotBegun
from tests.support.channels import email_config, sms_config, wecom_config

NOW = 1_700_000_000_000  # 2023-11-15 06:13:20 in Shanghai
MIDNIGHT = 1_700_064_000_000  # 2023-11-16 00:00:00 in Shanghai


def answer(status: int, document: object, retry_after_ms: int | None = None) -> Answer:
    return Answer(status, json.dumps(document).encode(), retry_after_ms)


def refused(code: str, message: str = "", status: int = 200) -> Answer:
    return answer(status, {"Code": code, "Message": message, "RequestId": "r"})


SMS: list[tuple[Ending, Outcome]] = [
    (answer(200, {"Code": "OK", "BizId": "b"}), Accepted("b")),
    (answer(200, {"Code": "OK"}), Unknown("unreadable-answer")),
    (answer(500, {"Code": "OK", "BizId": "b"}), Unknown("unreadable-answer")),
    (Answer(200, b'{"Code":"OK","Biz', None), Unknown("unreadable-answer")),
    (Answer(200, b"[]", None), Unknown("unreadable-answer")),
    (Answer(200, b"\xff\xfe", None), Unknown("unreadable-answer")),
    (NotBegun("connect-failed"), Retry(2_000, "connect-failed")),
    (Ambiguous("no-answer-in-time"), Unknown("no-answer-in-time")),
    (Answer(429, b"", 7_000), Retry(7_000, "http-429")),
    (Answer(429, b"", None), Retry(30_000, "http-429")),
    (Answer(500, b"oops", None), Unknown("http-500")),
    (Answer(503, b"oops", None), Unknown("http-503")),
    (Answer(302, b"", None), Unknown("http-302")),
    (refused("ServiceUnavailable", status=503), Retry(5_000, "ServiceUnavailable")),
    (refused("Throttling.User", status=400), Retry(5_000, "Throttling.User")),
    (refused("isp.SYSTEM_ERROR"), Retry(5_000, "isp.SYSTEM_ERROR")),
    (
        refused("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1"),
        Defer(NOW + 60_000, "isv.BUSINESS_LIMIT_CONTROL"),
    ),
    (
        refused("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5"),
        Defer(NOW + 3_600_000, "isv.BUSINESS_LIMIT_CONTROL"),
    ),
    (refused("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10"), Defer(MIDNIGHT, "isv.BUSINESS_LIMIT_CONTROL")),
    (refused("isv.DAY_LIMIT_CONTROL"), PauseChannel("isv.DAY_LIMIT_CONTROL")),
    (refused("isv.ACCOUNT_ABNORMAL"), PauseChannel("isv.ACCOUNT_ABNORMAL")),
    (refused("SignatureDoesNotMatch", status=400), PauseChannel("SignatureDoesNotMatch")),
    (refused("InvalidAccessKeyId.NotFound", status=404), PauseChannel("InvalidAccessKeyId.NotFound")),
    (refused("isv.MOBILE_NUMBER_ILLEGAL"), RejectRecipient("isv.MOBILE_NUMBER_ILLEGAL", suppress=True)),
    (
        refused("isv.DOMESTIC_NUMBER_NOT_SUPPORTED"),
        RejectRecipient("isv.DOMESTIC_NUMBER_NOT_SUPPORTED", suppress=False),
    ),
    (refused("isv.SMS_SIGNATURE_ILLEGAL"), RejectMessage("isv.SMS_SIGNATURE_ILLEGAL")),
    (refused("SomethingNew"), Unknown("undocumented-code")),
    (refused("SomethingNew", status=500), Unknown("http-500")),
]


@pytest.mark.parametrize(("ending", "expected"), SMS)
def test_sms_answers_are_judged_by_what_they_prove(ending: Ending, expected: Outcome) -> None:
    assert send_outcome(ending, NOW) == expected


WECOM: list[tuple[Answer, Outcome]] = [
    (answer(200, {"errcode": -1}), Retry(2_000, "wecom--1")),
    (answer(200, {"errcode": 6000}), Retry(2_000, "wecom-6000")),
    (answer(200, {"errcode": 45009}), Defer(NOW + 60_000, "wecom-45009")),
    (answer(200, {"errcode": 45033}), Defer(NOW + 5_000, "wecom-45033")),
    (answer(200, {"errcode": 40001}), PauseChannel("wecom-40001")),
    (answer(200, {"errcode": 48002}), PauseChannel("wecom-48002")),
    (answer(200, {"errcode": 81013}), RejectRecipient("wecom-81013", suppress=False)),
    (answer(200, {"errcode": 40003}), RejectRecipient("wecom-40003", suppress=False)),
    (answer(200, {"errcode": 40058}), RejectMessage("wecom-40058")),
    (answer(200, {"errcode": 45002}), RejectMessage("wecom-45002")),
    (answer(200, {"errcode": 123456}), Unknown("wecom-123456")),
    (answer(200, {"errcode": "0"}), Unknown("unreadable-answer")),
    (answer(500, {"errcode": 0}), Unknown("http-500")),
    (Answer(200, b"{", None), Unknown("unreadable-answer")),
]


@pytest.mark.parametrize(("given", "expected"), WECOM)
def test_wecom_answers_are_judged_by_their_errcode(given: Answer, expected: Outcome) -> None:
    assert judge(given, NOW) == expected


SMTP: list[tuple[aiosmtplib.SMTPResponseException, Outcome]] = [
    (aiosmtplib.SMTPRecipientRefused(550, "5.1.1 who?", "a@b.c"), RejectRecipient("smtp-550", suppress=True)),
    (aiosmtplib.SMTPRecipientRefused(550, "no such user", "a@b.c"), RejectRecipient("smtp-550", suppress=True)),
    (aiosmtplib.SMTPRecipientRefused(550, "5.7.1 relay", "a@b.c"), RejectRecipient("smtp-550", suppress=False)),
    (aiosmtplib.SMTPRecipientRefused(552, "5.2.2 full", "a@b.c"), RejectRecipient("smtp-552", suppress=False)),
    (aiosmtplib.SMTPRecipientRefused(451, "4.7.1 later", "a@b.c"), Retry(60_000, "smtp-451")),
    (aiosmtplib.SMTPAuthenticationError(535, "5.7.8 bad"), PauseChannel("smtp-535")),
    (aiosmtplib.SMTPAuthenticationError(454, "4.7.0 later"), Retry(60_000, "smtp-454")),
    (aiosmtplib.SMTPSenderRefused(530, "5.7.0 log in", "s@b.c"), PauseChannel("smtp-530")),
    (aiosmtplib.SMTPSenderRefused(552, "5.3.4 too big", "s@b.c"), RejectMessage("smtp-552")),
    (aiosmtplib.SMTPConnectResponseError(421, "busy"), Retry(60_000, "smtp-421")),
]


@pytest.mark.parametrize(("given", "expected"), SMTP)
def test_replies_before_data_are_provably_not_accepted(
    given: aiosmtplib.SMTPResponseException, expected: Outcome
) -> None:
    assert refusal(given) == expected


NUMBERS = [
    ("+8613912345678", "13912345678"),
    ("13912345678", "13912345678"),
    ("+85251234567", "85251234567"),
    ("+86", None),
    ("", None),
    ("+86 139", None),
    ("１３９１２３４５６７８", None),
    ("13912345678,13912345679", None),
]


@pytest.mark.parametrize(("given", "expected"), NUMBERS)
def test_numbers_are_written_as_the_provider_wants_them(given: str, expected: str | None) -> None:
    assert provider_number(Address(given)) == expected


MAILBOXES = [
    ("li.hua+x@mail.example.com", True),
    ("a@b.c\r\nBcc: x@y.z", False),
    ("a@b.c\n", False),
    ('"x@y" <a@b.c>', False),
    ("a@b.c, d@e.f", False),
    ("é@example.com", False),
    ("a@b@c.d", False),
    ("a@localhost", False),
    (".a@example.com", False),
    ("a" * 250 + "@example.com", False),
]


@pytest.mark.parametrize(("given", "expected"), MAILBOXES)
def test_only_one_plain_mailbox_is_written_to(given: str, *, expected: bool) -> None:
    assert is_mailbox(given) == expected


SHOWN = [
    ("+8613912345678", "+86****5678"),
    ("li.hua@example.com", "l***@example.com"),
    ("wmExternalCustomer00001", "wmE****0001"),
    ("short", "****"),
]


@pytest.mark.parametrize(("given", "expected"), SHOWN)
def test_an_address_shows_a_mask_wherever_it_is_printed(given: str, expected: str) -> None:
    address = Address(given)

    assert [repr(address), str(address), f"{address}", f"{[address]}"] == [
        expected,
        expected,
        expected,
        f"[{expected}]",
    ]
    assert address.value == given


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode, json.dumps])
def test_no_codec_takes_a_message_with_its_address(encode: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        encode(outbound())
    with pytest.raises(TypeError):
        encode(Address("+8613912345678"))


def outbound(text: str = "你好 <b>", subject: str = "标题") -> Outbound:
    return Outbound(
        command_id="c 1/2",
        channel="wecom",
        to=Address("wm1"),
        content=Content(text=text, subject=subject, params={"name": "李华"}),
        send_by_ms=0,
        staff="guide",
    )


def test_the_same_command_gives_byte_identical_wecom_requests() -> None:
    def once() -> bytes:
        return msgspec.json.encode(staff_card(outbound(), agent_id=7, task_url="https://s.example/t"), order="sorted")

    assert once() == once()
    assert b'"duplicate_check_interval":14400' in once()
    assert b'"enable_duplicate_check":1' in once()
    assert b"&lt;b&gt;" in once()


def test_the_command_id_is_added_to_the_link() -> None:
    assert with_command("https://s.example/a", "c 1/2") == "https://s.example/a?command_id=c+1%2F2"
    assert with_command("https://s.example/a?b=1", "c") == "https://s.example/a?b=1&command_id=c"


def test_messages_too_long_for_wecom_are_not_made() -> None:
    assert mass_message(outbound(text="长" * 1_334), "https://s.example") is None
    assert mass_message(outbound(subject="长" * 43), "https://s.example") is None
    assert staff_card(outbound(text="长" * 513), agent_id=7, task_url="https://s.example") is None
    assert mass_message(outbound(), "https://s.example") is not None


def test_contents_and_configurations_show_no_secret() -> None:
    shown = repr([outbound(), email_config(1), sms_config("http://x"), wecom_config("http://x")])

    assert "李华" not in shown
    assert "你好" not in shown
    for secret in ("key-secret", "app-secret", "relay-password", "unsubscribe-key"):
        assert secret not in shown
