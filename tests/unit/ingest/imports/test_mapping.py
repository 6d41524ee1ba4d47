"""Suggested columns: by header in zh and en, by values, the same each time; and what is refused by name."""

from __future__ import annotations

import pytest

from services.ingest.imports.mapping import checked, suggest
from services.ingest.imports.refusals import ImportRefusedError, mask
from services.ingest.imports.vocabulary import FIELDS, IDENTITIES, NEEDED, Kind

HEADERS = {
    "online retail": (
        "InvoiceNo StockCode Description Quantity InvoiceDate UnitPrice CustomerID Country",
        {"order": "InvoiceNo", "at": "InvoiceDate", "product": "StockCode", "quantity": "Quantity", "price": "UnitPrice", "member": "CustomerID"},
    ),
    "zh": (
        "订单编号 会员号 收货人手机号 下单时间 买家实付金额 订单状态",
        {"order": "订单编号", "at": "下单时间", "amount": "买家实付金额", "status": "订单状态", "member": "会员号", "phone": "收货人手机号"},
    ),
    "en": (
        "Order-ID; Paid At;Total;E-Mail;Discount Code",
        {"order": "Order-ID", "at": "Paid At", "amount": "Total", "coupon": "Discount Code", "email": "E-Mail"},
    ),
    "misspelt": ("ordernumbr ordertime totalamout customer_id", {"order": "ordernumbr", "at": "ordertime", "amount": "totalamout", "member": "customer_id"}),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_headers_are_recognised(name: str) -> None:
    header, expected = HEADERS[name]
    columns = [part.strip() for part in (header.split(";") if ";" in header else header.split(" "))]
    assert suggest(Kind.ORDERS, columns, []) == expected


def test_values_find_a_phone_under_any_name_and_tell_a_false_friend() -> None:
    samples = [["13812345678", "high", "12.50"], ["13912345678", "low", "3"]]
    assert suggest(Kind.ORDERS, ["号码", "实付金额", "订单金额"], samples) == {"amount": "订单金额", "phone": "号码"}


def test_no_column_is_used_twice_and_a_name_that_stands_twice_is_nobodys() -> None:
    assert suggest(Kind.ORDERS, ["日期", "order", "order"], []) == {"at": "日期"}


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"order": "a"}, "no column for at"),
        ({"order": "a", "at": "b", "amount": "c"}, "whom a row is about"),
        ({"order": "a", "at": "b", "amount": "c", "member": "z"}, "no column z; the file has a, b, c"),
        ({"nonsense": "a"}, "orders knows no such field"),
    ],
)
def test_a_mapping_that_does_not_do_is_refused_by_name(columns: dict[str, str], sentence: str) -> None:
    with pytest.raises(ImportRefusedError, match=sentence):
        checked(Kind.ORDERS, columns, ["a", "b", "c"])


def test_the_vocabulary_is_written_as_headers_are_compared() -> None:
    for kind, fields in FIELDS.items():
        names = {field.name for field in fields}
        assert len(names) == len(fields)
        assert set(IDENTITIES) <= names
        assert all(name in names for group in NEEDED[kind] for name in group)
        assert all(name == name.lower() and name.isalnum() for field in fields for name in field.names)


@pytest.mark.parametrize(
    ("text", "shown"), [("13812345678", "13********8"), ("王小明", "王**"), ("", ""), ("a@b.cn", "a@*.**")]
)
def test_a_mask_tells_the_shape_and_not_the_value(text: str, shown: str) -> None:
    assert mask(text) == shown
