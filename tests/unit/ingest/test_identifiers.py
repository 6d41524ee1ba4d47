"""Identifiers: one form for equal ones, tokens that rank by strength, and none for numbers that identify nobody."""

from __future__ import annotations

import itertools
from pathlib import Path

import phonenumbers
import pytest

from services.ingest.identifiers import (
    Contact,
    Identifier,
    IdentifierRefusedError,
    Kind,
    Pepper,
    PepperError,
    identify,
    normalise,
)

PEPPER = Pepper(bytes(range(32)))
EVERY_KIND = [
    Identifier(Kind.ANONYMOUS, "6f1d4f0e"),
    Identifier(Kind.EXTERNAL_USERID, "wm-Ab12", issuer="ww1"),
    Identifier(Kind.OPENID, "oX-77", issuer="wx1"),
    Identifier(Kind.EMAIL, "Li.Lei@Example.com"),
    Identifier(Kind.PHONE, "138 0013 8000"),
    Identifier(Kind.UNIONID, "u-1", issuer="open1"),
    Identifier(Kind.MEMBER, "M1001", issuer="shop"),
]


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        (Kind.PHONE, "13800138000", "+8613800138000"),
        (Kind.PHONE, " 138-0013-8000 ", "+8613800138000"),
        (Kind.PHONE, "8613800138000", "+8613800138000"),
        (Kind.PHONE, "0086 138 0013 8000", "+8613800138000"),
        (Kind.PHONE, "+86 (138) 0013 8000", "+8613800138000"),
        (Kind.PHONE, "\uff11\uff13\uff18\uff10\uff10\uff11\uff13\uff18\uff10\uff10\uff10", "+8613800138000"),
        (Kind.PHONE, "\u202d13800138000\u202c", "+8613800138000"),
        (Kind.PHONE, "17012345678", "+8617012345678"),
        (Kind.PHONE, "+44 7911 123456", "+447911123456"),
        (Kind.PHONE, "+1 415-555-2671", "+14155552671"),
        (Kind.EMAIL, " Li.Lei@Example.COM ", "li.lei@example.com"),
        (Kind.EMAIL, "li@购物.中国", "li@xn--g2xx48c.xn--fiqs8s"),
        (Kind.EMAIL, "li+shop@mail.example.co.uk", "li+shop@mail.example.co.uk"),
        (Kind.MEMBER, " m1001 ", "m1001"),
        (Kind.OPENID, "oX_77-aZ", "oX_77-aZ"),
    ],
)
def test_equal_identifiers_get_one_form(kind: Kind, written: str, expected: str) -> None:
    assert normalise(Identifier(kind, written)) == ("", expected)


@pytest.mark.parametrize(
    ("kind", "written", "reason"),
    [
        (Kind.PHONE, "138****8000", "masked"),
        (Kind.PHONE, "138xxxx8000", "masked"),
        (Kind.PHONE, "138••••8000", "masked"),
        (Kind.PHONE, "138\uff0a\uff0a\uff0a\uff0a8000", "masked"),
        (Kind.PHONE, "18412345678-1234", "extension"),
        (Kind.PHONE, "18412345678转1234", "extension"),
        (Kind.PHONE, "18412345678 分机 12", "extension"),
        (Kind.PHONE, "+86 13800138000 ext. 12", "extension"),
        (Kind.PHONE, "13800138000,12", "extension"),
        (Kind.PHONE, "0571-88888888", "share"),
        (Kind.PHONE, "400-820-8820", "share"),
        (Kind.PHONE, "12345", "not a valid phone"),
        (Kind.PHONE, "00000000000", "not a"),
        (Kind.PHONE, "call me", "not a phone"),
        (Kind.PHONE, "", "empty"),
        (Kind.EMAIL, "l***i@example.com", "masked"),
        (Kind.EMAIL, "example.com", "not an e-mail"),
        (Kind.EMAIL, "a@b@example.com", "not an e-mail"),
        (Kind.EMAIL, "a@localhost", "domain"),
        (Kind.EMAIL, "a@127.0.0.1", "domain"),
        (Kind.EMAIL, "a@example..com", "domain"),
        (Kind.EMAIL, f"a@购{'物' * 80}.中国", "domain"),
        (Kind.EMAIL, "a@example.com\r\nBcc: b@example.com", "control characters"),
        (Kind.MEMBER, "\u200b ", "empty"),
        (Kind.MEMBER, "M\x001", "control characters"),
        (Kind.MEMBER, "M\ud800", "lone surrogates"),
        (Kind.MEMBER, "M" * 257, "longer than 256"),
        (Kind.MEMBER, "M1****01", "masked"),
        (Kind.MEMBER, "NULL", "placeholder"),
        (Kind.ANONYMOUS, "undefined", "placeholder"),
        (Kind.ANONYMOUS, "[object Object]", "placeholder"),
        (Kind.OPENID, "匿名", "placeholder"),
    ],
)
def test_what_identifies_nobody_is_refused_with_the_reason(kind: Kind, written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        normalise(Identifier(kind, written))


def test_the_short_way_for_chinese_mobiles_agrees_with_the_library() -> None:
    for prefix in range(130, 200):
        written = f"{prefix}12345678"
        number = phonenumbers.parse(written, "CN")
        mobile = phonenumbers.is_valid_number(number) and (
            phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
        )
        try:
            accepted = normalise(Identifier(Kind.PHONE, written)) == ("", f"+86{written}")
        except ValueError:
            accepted = False

        assert accepted == mobile, prefix


def test_the_strongest_kind_names_the_customer_whatever_the_order() -> None:
    for first, second in itertools.permutations(EVERY_KIND, 2):
        pair = identify([first, second], PEPPER)
        stronger = max(first, second, key=EVERY_KIND.index)

        assert pair.customer_id == identify([stronger], PEPPER).customer_id
        assert pair.aliases == sorted(pair.aliases, reverse=True)


def test_a_larger_id_is_of_the_stronger_kind() -> None:
    aliases = identify(EVERY_KIND, PEPPER).aliases

    assert "".join(alias[0] for alias in aliases) == "gfedcba"
    assert {len(alias) for alias in aliases} == {33}


def test_ids_stay_the_same_for_ever() -> None:
    """Known answers, made with openssl: an id that changes makes a stranger of every customer."""
    assert PEPPER.customer_id(Kind.PHONE, "", "+8613800138000") == "edbd5e280e7dc440d3220da5444cd28af"
    assert PEPPER.customer_id(Kind.MEMBER, "shop", "M1001") == "gbc3e94c25f5db708f636d6d0167798f4"


def test_the_same_value_of_another_issuer_is_another_customer() -> None:
    issued = [identify([Identifier(Kind.MEMBER, "1", issuer=name)], PEPPER).customer_id for name in ("", "a", "b")]

    assert len(set(issued)) == 3


def test_a_phone_number_is_the_same_whoever_reports_it() -> None:
    reported = {
        identify([Identifier(Kind.PHONE, "13800138000", issuer=name)], PEPPER).customer_id for name in ("", "a", "b")
    }

    assert len(reported) == 1


def test_another_pepper_gives_other_ids() -> None:
    assert identify(EVERY_KIND, PEPPER).aliases != identify(EVERY_KIND, Pepper(bytes(32))).aliases


def test_contacts_are_cut_out_normalised_and_member_numbers_are_not_among_them() -> None:
    assert identify(EVERY_KIND, PEPPER, name=" 李雷 ").contacts == [
        ("external_userid", "wm-Ab12"),
        ("openid", "oX-77"),
        ("email", "li.lei@example.com"),
        ("phone", "+8613800138000"),
        ("name", "李雷"),
    ]


def test_an_identifier_given_twice_counts_once() -> None:
    twice = identify([Identifier(Kind.PHONE, "13800138000"), Identifier(Kind.PHONE, "+86 138 0013 8000")], PEPPER)

    assert len(twice.aliases) == len(twice.contacts) == 1


def test_a_masked_phone_is_left_out_and_told() -> None:
    identified = identify([Identifier(Kind.PHONE, "138****8000"), Identifier(Kind.MEMBER, "M1")], PEPPER)

    assert identified.customer_id.startswith("g")
    assert identified.contacts == []
    assert identified.refused == ["phone: is masked"]


def test_an_event_in_which_nothing_identifies_is_refused_without_showing_values() -> None:
    with pytest.raises(IdentifierRefusedError) as refusal:
        identify([Identifier(Kind.PHONE, "18412345678-1234"), Identifier(Kind.MEMBER, "null")], PEPPER, name="李雷")

    assert str(refusal.value) == (
        "phone: has an extension: a virtual or shared number; member_number: is a placeholder"
    )
    with pytest.raises(IdentifierRefusedError, match="no identifier is given"):
        identify([], PEPPER)


def test_nothing_personal_is_printed() -> None:
    identified = identify(EVERY_KIND, PEPPER, name="李雷")

    printed = f"{EVERY_KIND!r} {identified!r} {PEPPER!r} {Contact('phone', '+8613800138000')!s}"

    assert not any(value in printed for value in ("138", "xample", "李雷", "M1001", "oX-77"))


def test_a_pepper_is_created_once_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "pepper"

    created = Pepper.create(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert identify(EVERY_KIND, Pepper.load(path), name="x").aliases == identify(EVERY_KIND, created).aliases
    with pytest.raises(PepperError, match="exists already"):
        Pepper.create(path)


def test_a_pepper_that_is_missing_public_or_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    with pytest.raises(PepperError, match="cannot be read"):
        Pepper.load(path)
    path.write_text("c2hvcnQ=")
    path.chmod(0o644)
    with pytest.raises(PepperError, match="mode is 0644, must be 0600"):
        Pepper.load(path)
    path.chmod(0o600)
    with pytest.raises(PepperError, match="must be 32 bytes in base64"):
        Pepper.load(path)
