"""Hostile fragments of JSON by field, as they are written on the wire. Knows events of both shapes; sends nothing."""

from __future__ import annotations

from typing import Final, NamedTuple

AT: Final = '"2025-06-30T09:21:33Z"'


class Parts(NamedTuple):
    """An order in pieces of JSON text, each of which may be spoiled."""

    total: str = "1"
    at: str = AT
    order_id: str = '"o1"'
    currency: str = '"CNY"'
    more: str = ""
    """Further members of the order."""
    mine: str = '"customer":{"member":"m1"}'
    theirs: str = '"userId":"m1"'
    """Who it is about, typed and in Segment's shape."""


def typed(event_id: str, parts: Parts) -> str:
    """An order of the typed API."""
    return (
        f'{{"type":"order.placed","id":"{event_id}","at":{parts.at},{parts.mine},'
        f'"order_id":{parts.order_id},"amount":{parts.total},"currency":{parts.currency}{parts.more}}}'
    )


def segment(event_id: str, parts: Parts) -> str:
    """The same in Segment's shape."""
    return (
        f'{{"type":"track","event":"Order Completed","messageId":"{event_id}","timestamp":{parts.at},{parts.theirs},'
        f'"properties":{{"order_id":{parts.order_id},"total":{parts.total},"currency":{parts.currency}{parts.more}}}}}'
    )


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def _keys(count: int) -> str:
    return "{" + ",".join(f'"k{number}":{number}' for number in range(count)) + "}"


_TOTALS: Final = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "1e400": "1e400",
    "minus 1e400": "-1e400",
    "1E+999999": "1E+999999",
    "an exponent without end": "1e99999999999999999999",
    "1e-400": "1e-400",
    "NaN as text": '"nan"',
    "Infinity as text": '"inf"',
    "1E+999999 as text": '"1E+999999"',
    "5,000 digits": "9" * 5_000,
    "5,000 digits after the point": "1." + "9" * 5_000,
    "5,000 digits as text": '"' + "9" * 5_000 + '"',
    "19 digits": "1" * 19,
    "19 digits after the point": "0." + "1" * 19,
    "a hundredth too fine": "1.005",
    "a hundredth too fine as text": '"1.005"',
    "negative": "-1",
    "negative as text": '"-0.01"',
    "more than any amount": "1000000000000.01",
    "a comma": '"1,50"',
    "a currency sign": '"¥150"',
    "full-width digits": '"１５０"',
    "Arabic digits": '"١٥٠"',
    "hexadecimal": '"0x10"',
    "underscores": '"1_000"',
    "a plus sign": '"+1"',
    "spaces": '" 1 "',
    "true": "true",
    "null": "null",
    "an object": "{}",
    "a list": "[1]",
    "an empty text": '""',
    "a leading zero as text": '"01"',
}
_TIMES: Final = {
    "without an offset": '"2025-06-30T09:21:33"',
    "a date alone": '"2025-06-30"',
    "seconds": "1751246493",
    "milliseconds": "1751246493000",
    "seconds as text": '"1751246493"',
    "year 0001": '"0001-01-01T00:00:00Z"',
    "year 1999": '"1999-12-31T23:59:59Z"',
    "year 2101": '"2101-01-01T00:00:00Z"',
    "year 9999": '"9999-12-31T23:59:59Z"',
    "year 10000": '"10000-01-01T00:00:00Z"',
    "30 February": '"2025-02-30T00:00:00Z"',
    "hour 24": '"2025-06-30T24:00:01Z"',
    "a leap second": '"2025-06-30T23:59:60Z"',
    "an offset of 25 hours": '"2025-06-30T09:21:33+25:00"',
    "full-width digits": '"２０２５-06-30T09:21:33Z"',
    "thousands of fractions": '"2025-06-30T09:21:33.' + "1" * 5_000 + 'Z"',
    "empty": '""',
    "an object": "{}",
}
_IDS: Final = {
    "a NUL": r'"a\u0000b"',
    "a lone high surrogate": r'"\ud800"',
    "a lone low surrogate": r'"a\udc00b"',
    "surrogates the wrong way round": r'"\udc00\ud800"',
    "257 characters": '"' + "x" * 257 + '"',
    "a megabyte almost": '"' + "x" * 900_000 + '"',
    "empty": '""',
    "true": "true",
    "a list": '["o1"]',
    "null": "null",
}
_CURRENCIES: Final = {
    "another": '"USD"',
    "yen": '"JPY"',
    "dinars": '"KWD"',
    "unknown": '"XXX"',
    "with a NUL": r'"CN\u0000"',
    "a number": "1",
    "a list": '["CNY"]',
}
_MORE: Final = {
    "total twice": ',"total":2,"total":3',
    "order_id twice": ',"order_id":"o2"',
    "a key twice in two spellings": r',"coupon":"a","co\u0075pon":"b"',
    "a NUL in a key": r',"a\u0000b":1',
    "a lone surrogate in a key": r',"\ud83d":1',
    "33 deep": ',"x":' + _nested(33),
    "900 deep": ',"x":' + _nested(900),
    "10,000 keys": ',"x":' + _keys(10_000),
    "10,000 items": ',"x":[' + ",".join("1" * 10_000) + "]",
    "40,000 bytes of text": ',"x":"' + "x" * 40_000 + '"',
    "a list of NaN": ',"x":[1,2,NaN]',
    "5,000 digits deep inside": ',"x":{"y":[' + "9" * 5_000 + "]}",
}
_PERSONS: Final = {
    "nobody": ('"customer":{}', '"context":{}'),
    "a placeholder": ('"customer":{"member":"undefined"}', '"userId":"[object Object]"'),
    "a masked number": ('"customer":{"phone":"138****8000"}', '"context":{"traits":{"phone":"138****8000"}}'),
    "an extension": ('"customer":{"phone":"13800138000转8001"}', '"context":{"traits":{"phone":"13800138000转8001"}}'),
    "an object": ('"customer":{"member":{"a":1}}', '"userId":{"a":1}'),
    "a NUL": (r'"customer":{"member":"a\u0000"}', r'"userId":"a\u0000"'),
    "twice": ('"customer":{"member":"a"},"customer":{"member":"b"}', '"userId":"a","userId":"b"'),
    "257 characters": ('"customer":{"member":"' + "x" * 257 + '"}', '"userId":"' + "x" * 257 + '"'),
}
FIELDS: Final[dict[str, Parts]] = {
    **{f"amount: {name}": Parts(total=value) for name, value in _TOTALS.items()},
    **{f"time: {name}": Parts(at=value) for name, value in _TIMES.items()},
    **{f"order id: {name}": Parts(order_id=value) for name, value in _IDS.items()},
    **{f"currency: {name}": Parts(currency=value) for name, value in _CURRENCIES.items()},
    **{f"content: {name}": Parts(more=value) for name, value in _MORE.items()},
    **{f"person: {name}": Parts(mine=mine, theirs=theirs) for name, (mine, theirs) in _PERSONS.items()},
}
"""Each is refused, in both shapes."""

NO_EVENTS: Final = (
    "17",
    "1.5",
    "-0",
    "true",
    "null",
    '"x"',
    "[]",
    "{}",
    "[[]]",
    '{"type":7}',
    '{"type":"nonsense"}',
    '{"a":NaN}',
)
"""What stands where an event should."""

GOOD: Final[dict[str, Parts]] = {
    "nothing paid": Parts(total="0"),
    "nothing paid, written at length": Parts(total='"0.00"'),
    "the largest amount": Parts(total="1000000000000"),
    "an exponent": Parts(total="1.5e1"),
    "the year 2100": Parts(at='"2100-12-31T23:59:59Z"'),
    "an offset of 14 hours": Parts(at='"2025-06-30T09:21:33+14:00"'),
    "lower case": Parts(at='"2025-06-30t09:21:33z"'),
    "an emoji by two escapes": Parts(order_id=r'"\ud83d\ude00"'),
    "right to left": Parts(order_id='"\u202eabc"'),
    "a formula": Parts(order_id='"=1+1"'),
    "markup": Parts(order_id='"<script>alert(1)</script>"'),
    "SQL": Parts(order_id='"\'; DROP TABLE orders;--"'),
    "a template": Parts(order_id='"{{7*7}}${7*7}"'),
}
"""Odd, but right: each is stored. Times ahead are stored, too, and count as of their arrival (design, part 5)."""
