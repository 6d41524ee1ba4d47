"""What the border reads and what it refuses, with the place and the reason."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from decimal import Decimal

import pytest

from services.ingest.decimals import parse_decimal
from services.ingest.strict_json import (
    BodyTooLargeError,
    JsonRefusedError,
    Limits,
    inflate,
    parse,
    parse_batch,
)

HOSTILE = {
    "NaN": (b'{"total": NaN}', "$.total", "NaN is not a JSON number"),
    "Infinity": (b'{"total": Infinity}', "$.total", "Infinity is not a JSON number"),
    "minus Infinity": (b"[0, -Infinity]", "$[1]", "-Infinity is not a JSON number"),
    "1e400": (b'{"total": 1e400}', "$.total", "exponent out of range"),
    "1E+999999": (b'{"a": {"total": 1E+999999}}', "$.a.total", "exponent out of range"),
    "an exponent beyond all bounds": (b'{"total": 1e99999999999999999999}', "$.total", "exponent out of range"),
    "1e7": (b'{"total": 1e7}', "$.total", "exponent out of range"),
    "1e-25": (b'{"total": 1e-25}', "$.total", "exponent out of range"),
    "a decimal of 19 digits": (b'{"total": 1.000000000000000001}', "$.total", "more than 18 digits"),
    "a decimal of 100 digits": (b'{"total": 1.%s}' % (b"1" * 100), "$.total", "more than 18 digits"),
    "an integer of 19 digits": (b'{"n": [1000000000000000000]}', "$.n[0]", "more than 18 digits"),
    "an integer of 5,000 digits": (b'{"n": %s}' % (b"9" * 5_000), "$.n", "more than 18 digits"),
    "a NUL character": (rb'{"name": "a\u0000b"}', "$.name", "NUL character"),
    "a NUL character in a key": (rb'{"a": {"b\u0000": 1}}', "$.a.*", "NUL character"),
    "a raw NUL byte": (b'{"name": "a\0b"}', "$", "not JSON"),
    "a lone high surrogate": (rb'{"name": "\ud800"}', "$.name", "lone surrogate"),
    "a lone low surrogate": (rb'{"name": "x\uDC00y"}', "$.name", "lone surrogate"),
    "a lone surrogate in a key": (rb'{"\ud83d": 1}', "$.*", "lone surrogate"),
    "a duplicate key": (b'{"a": 1, "a": 1}', "$.a", "key written twice"),
    "a duplicate key deep inside": (b'{"batch": [{}, {"p": {"x": 1, "y": 2, "x": 3}}]}', "$.batch[1].p.x", "twice"),
    "a duplicate key behind a space": (b'{"a" : 1, "a":2, "t": "\\":"}', "$.a", "twice"),
    "a duplicate key in two spellings": (rb'{"a": 1, "\u0061": 2}', "$.a", "twice"),
    "UTF-16 with a mark": ('{"a": 1}'.encode("utf-16"), "$", "UTF-8"),
    "UTF-16 without a mark": ('{"a": 1}'.encode("utf-16-le"), "$", "UTF-8"),
    "UTF-32": ('{"a": 1}'.encode("utf-32-be"), "$", "UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "$", "byte order mark"),
    "invalid UTF-8": (b'{"a": "\xff"}', "$", "not UTF-8 at byte 7"),
    "an encoded surrogate": (b'{"a": "\xed\xa0\x80"}', "$", "not UTF-8"),
    "an overlong encoding": (b'{"a": "\xc0\x80"}', "$", "not UTF-8"),
    "nesting 33 deep": (b"[" * 33 + b"]" * 33, "$" + "[0]" * 32, "nested deeper than 32"),
    "nesting 900 deep": (b'{"a":' * 900 + b"1" + b"}" * 900, "$" + ".a" * 32, "nested deeper than 32"),
    "nesting 100,000 deep": (b"[" * 100_000, "$", "nested far too deep"),
    "a text of 32,001 bytes": (b'{"a": "%s"}' % (b"x" * 32_001), "$.a", "longer than 32000 bytes"),
    "a text whose characters fit and bytes do not": (('["' + "购" * 10_667 + '"]').encode(), "$[0]", "longer than"),
    "1,001 keys": (json.dumps(dict.fromkeys(map(str, range(1_001)))).encode(), "$", "more than 1000 keys"),
    "1,001 items": (json.dumps({"a": [0] * 1_001}).encode(), "$.a", "more than 1000 items"),
    "50 MB": (b'"%s"' % (b"x" * 50_000_000), "$", "larger than 1048576 bytes"),
    "nothing": (b"", "$", "not JSON"),
    "two values": (b"{} {}", "$", "not JSON at character 3"),
    "a trailing comma": (b"[1,]", "$", "not JSON"),
    "a comment": (b"[1] // one", "$", "not JSON"),
    "a leading zero": (b"[01]", "$", "not JSON"),
    "single quotes": (b"{'a': 1}", "$", "not JSON"),
    "a raw line break in a text": (b'["a\nb"]', "$", "not JSON"),
}


@pytest.mark.parametrize(("raw", "path", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_input_is_refused_with_its_place_and_reason(raw: bytes, path: str, reason: str) -> None:
    with pytest.raises(JsonRefusedError) as refusal:
        parse(raw)

    assert refusal.value.path == path
    assert reason in refusal.value.reason


READABLE: dict[str, tuple[bytes, object]] = {
    "a fraction stays exact": (b'{"total": 239.50}', {"total": Decimal("239.50")}),
    "an exponent is read as a decimal": (b"[1e6, 15E-1]", [Decimal("1E+6"), Decimal("1.5")]),
    "what JavaScript makes of a tenth and two": (b"[0.30000000000000004]", [Decimal("0.30000000000000004")]),
    "its longest fraction": (b"[0.0000012345678901234567]", [Decimal("0.0000012345678901234567")]),
    "the largest integer": (b"[999999999999999999, -999999999999999999]", [10**18 - 1, 1 - 10**18]),
    "an emoji written as a pair": (rb'["\ud83d\ude00", "\ud800\udc00"]', ["😀", "\U00010000"]),
    "an escaped backslash before u0000": (rb'["\\u0000"]', [r"\u0000"]),
    "colons, quotes and spaces in texts": (rb'{"a" : "\":", "b":"\" : x"}', {"a": '":', "b": '" : x'}),
    "Chinese text of 32,000 bytes": (('["' + "购" * 10_666 + '"]').encode(), ["购" * 10_666]),
    "nesting 32 deep": (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
    "the same key in different objects": (b'{"a": {"a": [{"a": 1}]}}', {"a": {"a": [{"a": 1}]}}),
    "plain values": (b' [true, false, null, -0, ""] ', [True, False, None, 0, ""]),
}


@pytest.mark.parametrize(("raw", "value"), READABLE.values(), ids=READABLE.keys())
def test_ordinary_input_is_read_exactly(raw: bytes, value: object) -> None:
    assert parse(raw) == value


def test_no_float_leaves_the_parser() -> None:
    values = parse(b"[1.0, 2.5e3, 1e0, -0.0]")

    assert isinstance(values, list)
    assert [type(value) for value in values] == [Decimal] * 4


@pytest.mark.parametrize("key", ["13800138000", "li.lei@example.com", "order 1234567", "a\nb"])
def test_a_path_does_not_show_keys_that_may_be_personal(key: str) -> None:
    with pytest.raises(JsonRefusedError) as refusal:
        parse(json.dumps({"traits": {key: float("nan")}}).encode())

    assert refusal.value.path == "$.traits.*"
    assert key not in str(refusal.value)


def test_a_path_shows_keys_that_are_names_in_any_script() -> None:
    with pytest.raises(JsonRefusedError, match=r"^\$\.会员等级\.level_2: NaN"):
        parse('{"会员等级": {"level_2": NaN}}'.encode())


def test_a_bad_item_of_a_batch_is_refused_alone() -> None:
    raw = rb'{"sentAt": "x", "batch": [{"a": 1}, {"a": NaN}, {"p": {"t": [1, "\u0000"]}}, {"b": 1, "b": 2}, {"a": 2}]}'

    batch = parse_batch(raw, "batch")

    assert batch.envelope == {"sentAt": "x"}
    assert batch.items[0] == {"a": 1}
    assert batch.items[4] == {"a": 2}
    assert [str(item) for item in batch.items[1:4]] == [
        "$.batch[1].a: NaN is not a JSON number",
        "$.batch[2].p.t[1]: NUL character",
        "$.batch[3].b: key written twice",
    ]


def test_a_good_batch_keeps_every_item() -> None:
    batch = parse_batch(b'{"batch": [{"a": 1}, 2.50], "writeKey": "k"}', "batch")

    assert (batch.envelope, batch.items) == ({"writeKey": "k"}, [{"a": 1}, Decimal("2.50")])


def test_the_depth_of_an_item_counts_from_the_body() -> None:
    depth = Limits().depth
    fits, too_deep = "[" * (depth - 2) + "]" * (depth - 2), "[" * (depth - 1) + "]" * (depth - 1)

    items = parse_batch(f'{{"batch": [{fits}, {too_deep}, NaN]}}'.encode(), "batch").items

    assert [isinstance(item, JsonRefusedError) for item in items] == [False, True, True]


@pytest.mark.parametrize(
    ("raw", "path", "reason"),
    [
        (b"{}", "$.batch", "must be a list"),
        (b"[]", "$.batch", "must be a list"),
        (b'{"batch": {"a": 1}}', "$.batch", "must be a list"),
        (b'{"batch": [], "sentAt": NaN}', "$.sentAt", "NaN"),
        (b'{"batch": [], "batch": []}', "$.batch", "key written twice"),
        (b'{"batch": [1,', "$", "not JSON"),
        (json.dumps({"batch": [0] * 1_001}).encode(), "$.batch", "more than 1000 items"),
        (json.dumps({"batch": [0] * 1_000 + [float("nan")]}).encode(), "$.batch", "more than 1000 items"),
    ],
)
def test_a_batch_is_refused_whole_when_its_envelope_is_bad(raw: bytes, path: str, reason: str) -> None:
    with pytest.raises(JsonRefusedError) as refusal:
        parse_batch(raw, "batch")

    assert refusal.value.path == path
    assert reason in refusal.value.reason


def test_a_body_at_its_cap_is_read_and_one_byte_more_is_too_large() -> None:
    limits = Limits(body=10)

    assert parse(b'"12345678"', limits) == "12345678"
    with pytest.raises(BodyTooLargeError):
        parse(b'"123456789"', limits)


@pytest.mark.parametrize(
    "text", ["nan", "NaN", "Infinity", "1E+999999", "1e400", "٣", "1_000", " 1", "+1", ".5", "1.", ""]
)
def test_an_amount_in_a_text_must_be_a_number_that_json_could_hold(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        parse_decimal(text)


def test_an_amount_in_a_text_is_read_exactly() -> None:
    assert [str(parse_decimal(text)) for text in ("239.50", "-0.01", "7")] == ["239.50", "-0.01", "7"]


def test_a_gzip_body_is_inflated() -> None:
    assert inflate(gzip.compress(b'{"a": 1}')) == b'{"a": 1}'


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "cut short"),
        (b"{}", "not valid gzip"),
        (gzip.compress(b"{}", mtime=0)[:-4], "cut short"),
        (gzip.compress(b"{}", mtime=0) + b"x", "followed by other bytes"),
        (gzip.compress(b"{}", mtime=0) * 2, "followed by other bytes"),
        (gzip.compress(b"{}", mtime=0)[:-8] + b"\0" * 8, "not valid gzip"),
    ],
)
def test_a_broken_gzip_body_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(JsonRefusedError, match=reason):
        inflate(raw)


def test_a_gzip_bomb_is_refused_without_being_inflated() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)

    tracemalloc.start()
    with pytest.raises(BodyTooLargeError):
        inflate(bomb, 1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 << 20
