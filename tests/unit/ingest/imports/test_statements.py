"""Customers, tags, consents, opt-outs and blacklists: what each row says, with its proof, and nothing personal in clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.ingest.imports.vocabulary import Kind
from shared.contract.facts import ConsentSet, TagsSet, TraitsSet
from shared.instants import parse_instant
from tests.support.import_files import Outcome, read, write_csv

PHONE, MAIL, NAME = "13812345678", "jinque@example.com", "金丝雀小姐"


@pytest.fixture
def told(tmp_path: Path) -> Any:
    def of(kind: Kind, header: list[str], *rows: list[str], **changes: Any) -> Outcome:
        return read(write_csv(tmp_path, header, rows), kind=kind, **changes)

    return of


def test_a_member_list_becomes_traits_tags_and_sealed_contacts(told: Any) -> None:
    header = ["会员卡号", "姓名", "手机号", "邮箱", "生日", "会员等级", "专属导购", "标签", "城市", "备注"]
    row = ["M1", NAME, PHONE, MAIL, "1990/5/7", "金卡", "g1", "vip、茶友", "上海", f"call {PHONE}"]
    found = told(Kind.CUSTOMERS, header, row, keep_others=True)
    traits, tags = (fact for _, fact in found.facts)
    assert isinstance(traits, TraitsSet)
    member = found.facts[0][0]
    assert found.links[:2] == [(alias, member) for alias in traits.aliases]  # every record brings its own, before it
    assert {record[3][:24] for record in found.records[:2]} == {b'{"type":"identity.link",'}
    assert traits.traits == {"城市": "上海", "level": "金卡", "guide": "g1", "birthday": "1990-05-07"}
    assert set(traits.contacts) == {"phone", "email", "name"}
    assert (traits.at, traits.mode, traits.baseline) == (1_700_000_000_000, "import", 1_700_000_000_000)
    assert isinstance(tags, TagsSet)
    assert tags.add == ("vip", "茶友")
    assert sorted(record[2] for record in found.records if record[0] == "contact-points-v1") == sorted(
        f"{found.facts[0][0]}/{field}".encode() for field in ("phone", "email", "name")
    )
    clear = b"".join((key or b"") + value for _, _, key, value, _ in found.records)
    assert [canary for canary in (PHONE, MAIL, NAME) if canary.encode() in clear] == []


def test_columns_that_nobody_asked_for_are_not_kept(told: Any) -> None:
    found = told(Kind.CUSTOMERS, ["member", "level", "city"], ["M1", "gold", "x"])
    assert found.fact().traits == {"level": "gold"}
    assert found.report.unused == ["city"]


def test_tags_are_put_on_and_taken_off(told: Any) -> None:
    found = told(Kind.TAGS, ["会员号", "标签", "移除标签", "更新时间"], ["M1", "a;b，c", "d", "2025-01-02 10:00"])
    fact = found.fact()
    assert (fact.add, fact.remove, fact.at) == (("a", "b", "c"), ("d",), parse_instant("2025-01-02T10:00:00Z"))
    both = told(Kind.TAGS, ["会员号", "标签", "移除标签"], ["M1", "a", "a"], ["M2", "", ""], ["M3", "x" * 65, ""])
    assert [one.reason.split(" ")[0] for one in both.report.errors] == ["takes", "says", "holds"]


def test_consents_carry_file_row_and_operator_as_proof(told: Any) -> None:
    header = ["手机号", "渠道", "用途", "是否同意", "同意时间", "凭证"]
    found = told(
        Kind.CONSENTS, header,
        [PHONE, "短信", "营销", "是", "2025-01-02", "form 7"], [PHONE, "邮件", "", "拒绝", "2025-01-02", ""],
        [PHONE, "传真", "", "是", "2025-01-02", ""], [PHONE, "全部", "", "是", "2025-01-02", ""],
    )  # fmt: skip
    facts = {fact.channel: fact for _, fact in found.facts}
    assert {name: (one.purpose, one.granted) for name, one in facts.items()} == {
        "sms": ("marketing", True), "email": ("marketing", False),
    }  # fmt: skip
    assert facts["sms"].proof == "orders.csv row 2; by li; form 7" or facts["sms"].proof.endswith(
        "row 2; by li; form 7"
    )
    assert [one.reason for one in found.report.errors] == [
        "must be sms 短信, email 邮件, wecom 企业微信 or all 全部", "consent must name its channel: sms, email or wecom",
    ]  # fmt: skip


def test_v7_a_consent_counts_from_the_instant_of_its_row(told: Any) -> None:
    header = ["会员号", "渠道", "是否同意", "同意时间"]
    found = told(Kind.CONSENTS, header, ["M1", "短信", "是", "2023-01-02"], ["M2", "短信", "否", "2023-01-02"])
    assert {(one.granted, one.granted_at == one.at) for _, one in found.facts} == {(True, True), (False, False)}


def test_a_consent_without_its_instant_is_refused_for_it_would_undo_a_later_refusal(told: Any) -> None:
    header = ["手机号", "渠道", "是否同意"]
    found = told(Kind.CONSENTS, header, [PHONE, "短信", "是"], [PHONE, "邮件", "否"])
    assert [fact.granted for _, fact in found.facts] == [False]
    assert [one.reason for one in found.report.errors] == ["is missing: a consent counts from when it was given"]


def test_a_proof_or_tag_that_holds_contact_data_does_not_travel(told: Any) -> None:
    header = ["手机号", "渠道", "是否同意", "凭证", "同意时间"]
    fact = told(Kind.CONSENTS, header, [PHONE, "短信", "是", f"told by {PHONE}", "2025-01-02"]).fact()
    assert fact.proof.endswith("row 2; by li")
    (error,) = told(Kind.TAGS, ["会员号", "标签"], ["M1", f"vip;{MAIL}"]).report.errors
    assert error.reason == "holds what looks like an address or a phone number"


def test_an_opt_out_list_of_bare_numbers_denies_marketing_everywhere(told: Any) -> None:
    found = told(Kind.OPT_OUTS, ["号码"], [PHONE], ["138****5678"])
    fact = found.fact()
    assert isinstance(fact, ConsentSet)
    assert (fact.channel, fact.purpose, fact.granted) == ("all", "marketing", False)
    assert found.report.errors[0].value == "13**********8"[:2] + "*" + "****" + "***8"
    assert told(Kind.OPT_OUTS, ["号码"], [PHONE], channel="sms").fact().channel == "sms"


def test_a_blacklist_denies_service_messages_too(told: Any) -> None:
    facts = [fact for _, fact in told(Kind.BLACKLIST, ["email", "reason"], [MAIL, "fraud"]).facts]
    assert [(one.channel, one.purpose, one.granted) for one in facts] == [
        ("all", "marketing", False), ("all", "service", False),
    ]  # fmt: skip
    assert len({one.id for one in facts}) == 2


def test_the_same_row_twice_has_one_id_and_a_later_import_another(told: Any) -> None:
    rows = (["M1", "gold"], ["M1", "gold"], ["M1", "silver"])
    first = [fact.id for _, fact in told(Kind.CUSTOMERS, ["member", "level"], *rows).facts]
    later = [fact.id for _, fact in told(Kind.CUSTOMERS, ["member", "level"], *rows, baseline=1_800_000_000_000).facts]
    assert len(set(first)) == 2
    assert set(first).isdisjoint(later)
