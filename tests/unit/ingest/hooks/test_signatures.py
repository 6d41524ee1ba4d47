"""Only who holds the secret is heard: altered bytes, old times, missing headers and foreign secrets are refused."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from services.ingest.hooks import generic, youzan
from services.ingest.hooks.api import PROVIDERS
from services.ingest.hooks.delivery import Delivery, SignatureRefusedError
from services.ingest.hooks.sources import AnySource, Generic, Youzan, source_of
from tests.support.hooks import SECRETS, SIGNED_AT, raw_of, read, sent, signature
from tests.support.hooks import cases as golden

NOW_MS = SIGNED_AT * 1_000
SAMPLES = {provider: read(golden(provider)[0]) for provider in SECRETS}
OTHER = {
    "youzan": "0" * 32,
    "generic": "whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode(),
    "shopify": "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",
    "woocommerce": "another secret, just as long",
}
SIGNED_WITH = {
    "youzan": "event-sign",
    "generic": "webhook-signature",
    "shopify": "x-shopify-hmac-sha256",
    "woocommerce": "x-wc-webhook-signature",
}
each_provider = pytest.mark.parametrize("provider", sorted(SECRETS))


def refused(delivery: Delivery, source: AnySource, now_ms: int = NOW_MS) -> bool:
    try:
        PROVIDERS[type(source)].verify(delivery, source, now_ms)
    except SignatureRefusedError:
        return True
    return False


def test_a_youzan_body_that_signs_no_text_is_refused() -> None:
    _, source = sent(SAMPLES["youzan"])
    assert isinstance(source, Youzan)
    nothing = hashlib.md5(source.client_id.encode() + source.secrets[0].encode()).hexdigest()  # noqa: S324 - the provider's choice
    for message in ({"tid": "E1"}, "", None):
        raw = json.dumps({"type": "trade_TradeSuccess", "msg": message, "sign": nothing}).encode()
        assert refused(Delivery({}, raw), source)


@each_provider
def test_a_body_with_one_altered_byte_is_refused_wherever_the_byte_is(provider: str) -> None:
    delivery, source = sent(SAMPLES[provider])
    raw = delivery.raw
    passed = [
        place
        for place in range(len(raw))
        if not refused(Delivery(delivery.headers, raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]), source)
    ]

    assert not refused(delivery, source)
    assert passed == []


@each_provider
def test_a_signature_with_one_altered_letter_is_refused_wherever_the_letter_is(provider: str) -> None:
    delivery, source = sent(SAMPLES[provider])
    name = SIGNED_WITH[provider]
    given = delivery.headers[name]
    changed = [given[:at] + chr(ord(given[at]) ^ 1) + given[at + 1 :] for at in range(len(given))]

    passed = [each for each in changed if not refused(Delivery({**delivery.headers, name: each}, delivery.raw), source)]
    assert passed == []


@each_provider
@pytest.mark.parametrize("given", ["", " ", "v1,", "é", "=" * 5_000])
def test_a_missing_or_senseless_signature_is_refused(provider: str, given: str) -> None:
    delivery, source = sent(SAMPLES[provider] | {"body": {"type": "x"}})

    assert refused(Delivery({**delivery.headers, SIGNED_WITH[provider]: given}, delivery.raw), source)


@each_provider
def test_a_foreign_secret_is_refused(provider: str) -> None:
    delivery, source = sent(SAMPLES[provider], secret=OTHER[provider])

    assert refused(delivery, source)


@each_provider
def test_while_secrets_change_both_are_accepted(provider: str) -> None:
    case = SAMPLES[provider]
    both = source_of(case["provider"] | {"secrets": [OTHER[provider], SECRETS[provider]]})
    only_new = source_of(case["provider"] | {"secrets": [OTHER[provider]]})
    old, new = (sent(case, secret=secret)[0] for secret in (SECRETS[provider], OTHER[provider]))

    assert [refused(each, both) for each in (old, new)] == [False, False]
    assert [refused(each, only_new) for each in (old, new)] == [True, False]


# ------------------------------------------------------------------------------------------------ Standard Webhooks


@pytest.mark.parametrize(
    ("away_ms", "is_refused"), [(300_000, False), (300_001, True), (-300_000, False), (-300_001, True)]
)
def test_a_time_more_than_five_minutes_away_is_refused(away_ms: int, *, is_refused: bool) -> None:
    delivery, source = sent(SAMPLES["generic"])

    assert refused(delivery, source, NOW_MS + away_ms) is is_refused


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_of_the_three_headers_is_needed(name: str) -> None:
    delivery, source = sent(SAMPLES["generic"])
    less = {key: value for key, value in delivery.headers.items() if key != name}

    assert refused(Delivery(less, delivery.raw), source)


@pytest.mark.parametrize(
    ("name", "value"),
    [("webhook-id", "msg_2"), ("webhook-timestamp", str(SIGNED_AT + 1)), ("webhook-timestamp", f"+{SIGNED_AT}")],
)
def test_id_and_time_are_signed_too(name: str, value: str) -> None:
    delivery, source = sent(SAMPLES["generic"])

    assert refused(Delivery({**delivery.headers, name: value}, delivery.raw), source)


def test_an_id_with_a_full_stop_could_shift_what_is_signed_and_is_refused() -> None:
    """`a` . `1` . `2.{}` and `a.1` . `2` . `{}` are the same signed text."""
    case: dict[str, Any] = SAMPLES["generic"]
    body = f"{SIGNED_AT}.{{}}".encode()
    signed = signature("generic", body, SECRETS["generic"], case, "a")
    shifted = signed | {"webhook-id": f"a.{SIGNED_AT}"}
    source = source_of(case["provider"] | {"secrets": [SECRETS["generic"]]})

    assert refused(Delivery(shifted, b"{}"), source)


def test_one_right_signature_in_a_list_suffices_and_other_versions_do_not_count() -> None:
    delivery, source = sent(SAMPLES["generic"])
    right = delivery.headers["webhook-signature"]

    def listed(signatures: str) -> Delivery:
        return Delivery({**delivery.headers, "webhook-signature": signatures}, delivery.raw)

    assert not refused(listed(f"v1,AAAA v1a,BBBB {right}"), source)
    assert refused(listed(right.replace("v1,", "v2,")), source)
    assert refused(listed(" ".join(["v1,AAAA"] * 20 + [right])), source)


def test_what_is_wrong_is_said_without_what_would_be_right() -> None:
    delivery, _ = sent(SAMPLES["generic"], secret=OTHER["generic"])
    source = Generic(name="oms", secrets=[SECRETS["generic"]])

    with pytest.raises(SignatureRefusedError, match="none of them is right"):
        generic.verify(delivery, source, NOW_MS)


# -------------------------------------------------------------------------------------------------------------- 有赞


def by_body_sign(secret: str = SECRETS["youzan"]) -> tuple[dict[str, Any], Youzan]:
    """A call as older apps get it: the signature within the body, over `msg` as it is written."""
    case = SAMPLES["youzan"]
    source = Youzan(name="youzan", client_id=case["provider"]["client_id"], secrets=[SECRETS["youzan"]])
    message = json.loads(raw_of(case))["msg"]
    signed = hashlib.md5(f"{source.client_id}{message}{secret}".encode()).hexdigest()  # noqa: S324
    return case | {"body": case["body"] | {"sign": signed}}, source


def test_without_the_header_the_sign_over_the_still_encoded_message_counts() -> None:
    case, source = by_body_sign()
    foreign, _ = by_body_sign("f" * 32)

    assert not refused(Delivery({}, raw_of(case)), source)
    assert refused(Delivery({}, raw_of(foreign)), source)
    assert refused(Delivery({}, raw_of(SAMPLES["youzan"])), source)


def test_a_wrong_header_is_not_made_good_by_the_body() -> None:
    case, source = by_body_sign()

    assert refused(Delivery({"event-sign": "0" * 32}, raw_of(case)), source)


def test_a_source_may_require_the_header_that_covers_everything() -> None:
    case, source = by_body_sign()
    strict = Youzan(name="y", client_id=source.client_id, secrets=source.secrets, event_sign=True)

    assert refused(Delivery({}, raw_of(case)), strict)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"sign":{}}', b'{"sign":"","msg":""}', b'{"msg":1}', b"\xff"])
def test_bodies_that_hold_no_signature_are_refused(raw: bytes) -> None:
    _, source = by_body_sign()

    with pytest.raises(SignatureRefusedError):
        youzan.verify(Delivery({}, raw), source, NOW_MS)


# ----------------------------------------------------------------------------------------------- the guards guard


def test_without_the_comparison_altered_bodies_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(youzan, "matches", lambda *_: True)
    delivery, source = sent(SAMPLES["youzan"], secret=OTHER["youzan"])

    assert not refused(delivery, source)
