"""Laws of the border's JSON: only refusals leave it, valid values survive it, and its two readers agree."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest import strict_json
from services.ingest.strict_json import STANDARD, JsonRefusedError, inflate, parse, parse_batch

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
DECIMALS = st.decimals(-(10**9), 10**9, places=4, allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 10**18, 10**18 - 1) | DECIMALS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)
PIECES = st.sampled_from(
    [
        *("{", "}", "[", "]", ",", ":", '"', " ", "\n", "\\", "-", "0", "1", "1.5", "1e5", "1E-9", "1e400", "9" * 19),
        *('"a"', '"a":', '"a" :', '"a"\t:1', '{"a":1}', '"\\":"', '"\\" :"', "NaN", "-Infinity", "true", "null", "-0"),
        *(
            '"\\u0000"',
            '"\\ud800"',
            '"\\ud83d\\ude00"',
            '"\\u0061":',
            "购",
            "\0",
            "\ufeff",
            "-0.0",
            "1.0E+2",
            "0.1",
            "\x7f",
        ),
    ]
)
NEARLY_JSON = st.lists(PIECES, max_size=14).map(lambda pieces: "".join(pieces).encode())


def written(value: object) -> str:
    """JSON of a value, with decimals as plain numbers."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {written(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def outcome(raw: bytes) -> object:
    """What `parse` makes of the bytes, refusals as values and types shown, so that 1 and True differ."""
    try:
        return repr(parse(raw))
    except JsonRefusedError as refusal:
        return str(refusal)


def exactly(raw: bytes) -> object:
    """The same by the exact reader alone."""
    try:
        value = strict_json._exact(strict_json._decoded(raw, STANDARD))
        strict_json._Walk(STANDARD, risky=True).check(value, "$")
    except JsonRefusedError as refusal:
        return str(refusal)
    return repr(value)


@given(st.binary(max_size=200) | NEARLY_JSON)
def test_only_refusals_leave_the_parser(raw: bytes) -> None:
    try:
        value = parse(raw)
    except JsonRefusedError:
        return
    json.loads(raw)
    assert "_Refused" not in repr(value)


@given(st.binary(max_size=200) | NEARLY_JSON | NEARLY_JSON.map(lambda item: b'{"batch":[' + item + b"]}"))
def test_only_refusals_leave_the_batch_parser(raw: bytes) -> None:
    try:
        batch = parse_batch(raw, "batch")
    except JsonRefusedError:
        return
    assert isinstance(batch.items, list)
    assert "_Refused" not in repr(batch)


@given(NEARLY_JSON)
@example(b'{"a" :1,"a":2,"t":"\\":"}')
@example(b'{"a":1,"a":2,"t":"\\" :"}')
@example(b"[-0, -0.0, 1E2, 0e7]")
@example(rb'{"a":1,"\u0061":2}')
def test_both_readers_give_the_same_answer(raw: bytes) -> None:
    assert outcome(raw) == exactly(raw)


@given(VALUES)
def test_a_valid_value_survives(value: object) -> None:
    raw = written(value).encode()

    assert parse(raw) == value
    assert outcome(raw) == exactly(raw)


@given(st.lists(VALUES, max_size=5), st.data())
def test_good_items_of_a_batch_survive_bad_neighbours(items: list[object], data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(items)))
    texts = [written(item) for item in items]
    texts.insert(position, '{"total": NaN}')

    batch = parse_batch(f'{{"batch": [{",".join(texts)}]}}'.encode(), "batch")

    refused = batch.items.pop(position)
    assert str(refused) == f"$.batch[{position}].total: NaN is not a JSON number"
    assert batch.items == items


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda tail: b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + tail))
def test_only_refusals_leave_inflate(raw: bytes) -> None:
    try:
        plain = inflate(raw, 1_000)
    except JsonRefusedError:
        return
    assert len(plain) <= 1_000
