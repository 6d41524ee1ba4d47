"""Orders from rows: nothing torn, nothing counted twice, every refusal with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.ingest.imports.vocabulary import Kind
from shared.contract.facts import Line, OrderPlaced, OrderRefunded
from shared.instants import parse_instant
from tests.support.data import data_directory
from tests.support.import_files import RETAIL, Outcome, read, write_csv

RETAIL_FILE = data_directory() / "online_retail.csv.gz"

ROWS = [
    ["100", "p1", "6", "2011-07-01 08:27:00", "2.55", "17"],
    ["100", "p2", "2", "2011-07-01 08:26:00", "0.125", "17"],
    ["101", "p1", "1", "2011-01-01 00:00:00", "1", "18"],
    ["C102", "p1", "-2", "2011-07-02 10:00:00", "2.55", "17"],
    ["103", "p1", "1", "2011-07-02 10:00:00", "2.55", ""],
    ["104", "p1", "1", "2011-07-02 10:00:00", "0", "17"],
    ["105", "p1", "-1", "2011-07-02 10:00:00", "1", "17"],
    ["106", "p1", "1", "2011-07-02 10:00:00", "1", "guest"],
]


@pytest.fixture
def retail(tmp_path: Path) -> Any:
    def made(rows: list[list[str]] = ROWS, **changes: Any) -> Outcome:
        return read(write_csv(tmp_path, RETAIL, rows), **changes)

    return made


def test_lines_of_an_invoice_become_one_order_at_its_earliest_line(retail: Any) -> None:
    found = retail()
    first, second = (fact for _, fact in found.facts)
    assert isinstance(second, OrderPlaced)
    assert (first.order_id, first.at) == ("101", parse_instant("2011-01-01T00:00:00Z"))
    assert second.at == parse_instant("2011-07-01T08:26:00+01:00")
    assert (second.amount, second.lines) == (15_550, (Line("p1", 6, 15_300), Line("p2", 2, 250)))
    assert (second.mode, second.baseline, second.confirmed, second.currency) == (
        "import",
        1_700_000_000_000,
        False,
        "GBP",
    )
    report = found.report
    assert (report.rows, report.lines, report.orders, report.customers, report.revenue) == (8, 3, 2, 2, 16_550)
    assert report.skipped == {
        "return": 1, "no customer": 1, "price not positive": 1, "quantity not positive": 1, "customer is a placeholder": 1,
    }  # fmt: skip


@pytest.mark.parametrize("changes", [{}, {"returns": True}, {"since": parse_instant("2011-06-01T00:00:00Z")}])
def test_every_row_is_in_a_fact_skipped_or_refused(retail: Any, changes: dict[str, Any]) -> None:
    report = retail([*ROWS, ["107", "p", "x", "2011-07-02", "1", "17"]], **changes).report
    assert report.used + sum(report.skipped.values()) + report.refused == report.rows == 9
    assert report.refused == sum(report.reasons.values()) == 1


def test_a_returned_invoice_is_a_refund_without_order(retail: Any) -> None:
    fact = retail(returns=True).fact(-1)
    assert isinstance(fact, OrderRefunded)
    assert (fact.refund_id, fact.order_id, fact.amount) == ("C102", "", 5_100)


def test_lines_that_stand_far_apart_make_the_same_order_with_the_same_id(retail: Any) -> None:
    apart = [ROWS[0], *ROWS[2:], ROWS[1]]
    assert retail(apart).facts == retail().facts


def test_a_second_reading_gives_the_same_ids_and_another_source_gives_others(retail: Any) -> None:
    ids = [[fact.id for _, fact in retail(source=name).facts] for name in ("shop", "shop", "pos")]
    assert ids[0] == ids[1]
    assert set(ids[0]).isdisjoint(ids[2])


def test_a_period_takes_whole_orders(retail: Any) -> None:
    edge = parse_instant("2011-07-01T08:26:30+01:00")
    before, after = retail(until=edge).report, retail(since=edge).report
    assert (before.orders, after.orders) == (2, 0)
    assert after.skipped["outside the period"] == 3


@pytest.mark.parametrize(
    ("row", "column", "reason", "value"),
    [
        (["1", "p", "x", "2011-07-01", "1", "17"], "Quantity", "must be a number", "x"),
        (["1", "p", "1", "01/07/2011", "1", "17"], "InvoiceDate", "must be a date", "01/**/***1"),
        (["1", "p", "1", "2011-02-30", "1", "17"], "InvoiceDate", "is no date", "20**-**-*0"),
        (["1", "p", "1", "2011-07-01", "nan", "17"], "UnitPrice", "must be a number", "n**"),
        (["1", "p", "1", "2011-07-01", "1.0005", "17"], "UnitPrice", "must have at most 3 decimals", "1.****"),
        (["", "p", "1", "2011-07-01", "1", "17"], "InvoiceNo", "is empty", ""),
        (["1", "p", "1", "2011-07-01", "1", "17", "more"], "", "has 7 columns, the header 6", ""),
    ],
)
def test_a_row_that_cannot_be_read_is_told_with_place_reason_and_masked_value(
    retail: Any, row: list[str], column: str, reason: str, value: str
) -> None:
    report = retail([ROWS[2], row]).report
    (error,) = report.errors
    assert (error.row, error.column) == (3, column)
    assert error.reason.startswith(reason)
    assert error.value == value
    assert report.orders == 1


def test_one_bad_line_leaves_its_whole_order_out(retail: Any) -> None:
    bad = ["100", "p3", "many", "2011-07-01 08:28:00", "1", "17"]
    for rows in ([*ROWS[:3], bad], [bad, *ROWS[:3]], [ROWS[0], ROWS[2], bad, ROWS[1]]):
        report = retail(rows).report
        assert (report.orders, report.refused, report.rows) == (1, 3, 4)
        assert report.reasons["belongs to an order of which another row is refused"] == 2


def test_counts_and_sums_beyond_any_order_are_refused_and_reasons_name_no_rows(retail: Any) -> None:
    at, rest = "2011-07-01 08:27:00", "17"
    counts = ("18446744073709551616", "2000000", "1_0")
    many = [[str(number), "p", count, at, "1", rest] for number, count in enumerate(counts)]
    huge = [["9", "p", "1000000", at, "90000", rest], ["9", "q", "1000000", at, "90000", rest]]
    torn = [[f"T{n}", "p", "1", at, "1", who] for n in range(3) for who in ("17", "18")]
    report = retail([*many, *huge, *torn]).report
    assert (report.used, report.refused) == (0, 11)
    reasons = " | ".join(report.reasons)
    assert "must lie between -1000000 and 1000000" in reasons
    assert "add up to more than any amount taken" in reasons
    differs = [count for reason, count in report.reasons.items() if "customer differs" in reason]
    assert differs == [6]


def test_an_order_of_two_customers_is_refused_whole(retail: Any) -> None:
    report = retail([ROWS[0], [*ROWS[1][:5], "18"], ROWS[2]]).report
    assert (report.orders, report.refused) == (1, 2)
    assert report.errors[0].reason == "the customer differs from that of the order's row 2"


CHINESE = ["订单号", "手机号", "下单时间", "实付金额", "退款金额", "订单状态", "店铺名称", "商品名称", "优惠金额"]


def test_one_row_an_order_under_chinese_headers_with_refund_and_status(tmp_path: Path) -> None:
    rows = [
        ["T1", "138 1234 5678", "2025/1/2 10:00", "¥1,234.50", "34.5", "交易成功", "旗舰店", "茶", "10"],
        ["T2", "13912345678", "2025年1月3日", "20元", "", "已取消", "旗舰店", "茶", ""],
        ["T3", "138****5678", "2025-01-03", "20", "", "", "", "", ""],
    ]
    found = read(write_csv(tmp_path, CHINESE, rows, encoding="gb18030"), zone=ZoneInfo("Asia/Shanghai"))
    order, refund = (fact for _, fact in found.facts)
    assert (order.order_id, order.amount, order.shop_id, order.discount) == ("T1", 1_234_500, "旗舰店", 10_000)
    assert (order.at, order.contacts) == (parse_instant("2025-01-02T10:00:00+08:00"), ("phone",))
    assert order.lines == (Line("茶"),)
    assert (refund.refund_id, refund.order_id, refund.amount) == ("T1#refund", "T1", 34_500)
    assert found.report.skipped == {"cancelled or not paid": 1}
    (error,) = found.report.errors
    assert (error.column, error.reason) == ("手机号", "is masked")
    assert not any(b"13812345678" in record[3] for record in found.records)
    assert [record[0] for record in found.records].count("contact-points-v1") == 1


def test_an_order_told_once_per_product_counts_its_amount_once(tmp_path: Path) -> None:
    header = ["order id", "member", "order date", "total", "sku"]
    rows = [["1", "m", "2025-01-02", "10", "a"], ["1", "m", "2025-01-02", "10", "b"]]
    found = read(write_csv(tmp_path, header, rows))
    assert (found.fact().amount, found.fact().lines) == (10_000, (Line("a"), Line("b")))
    report = read(write_csv(tmp_path, header, [rows[0], [*rows[1][:3], "11", "b"]])).report
    assert (report.orders, report.refused) == (0, 2)


def test_other_column_names_are_given_one_by_one(tmp_path: Path) -> None:
    file = write_csv(tmp_path, ["no", "x", "n", "when", "each", "who"], [["7", "p", "2", "2011-07-01", "1.5", "17"]])
    names = ("order", "product", "quantity", "at", "price", "member")
    columns = dict(zip(names, ["no", "x", "n", "when", "each", "who"], strict=True))
    assert read(file, columns=columns).report.revenue == 3_000


@pytest.mark.data
@pytest.mark.skipif(
    not RETAIL_FILE.is_file(), reason="the online_retail data set is not here; HUITOU_DATA names its folder"
)
def test_the_known_answers_of_online_retail(tmp_path: Path) -> None:
    file = tmp_path / RETAIL_FILE.name
    file.symlink_to(RETAIL_FILE)
    report = read(file, kind=Kind.ORDERS, returns=True).report
    assert (report.rows, report.lines, report.orders, report.customers) == (541_909, 397_884, 18_532, 4_338)
    assert (report.revenue, report.return_lines, report.refused) == (8_911_407_904, 8_905, 0)
