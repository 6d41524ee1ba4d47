"""Invoice lines become one order each, exactly; what is left out is counted by reason."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from services.ingest.csv_import import Columns, read_history, summary
from services.ingest.identifiers import Pepper
from services.ingest.order_history import HistoryRefusedError, Row, Terms, group_orders
from shared.events import Line, OrderPlaced, OrderRefunded
from shared.instants import parse_instant, parse_zone
from shared.shop import Shop

DATA = Path(os.environ.get("HUITOU_DATA", "../shared/data")) / "online_retail.csv.gz"
PEPPER = Pepper(bytes(range(32)))
SHOP = Shop(zone="Europe/London", currency="GBP", exponent=3)


def terms(**changes: Any) -> Terms:
    given: dict[str, Any] = {
        "shop": SHOP,
        "zone": parse_zone("Europe/London"),
        "pepper": PEPPER,
        "baseline": 5,
        "source": "shop",
    } | changes
    return Terms(**given)


ROWS = [
    Row("100", "p1", "6", "2011-07-01 08:27:00", "2.55", "17"),
    Row("100", "p2", "2", "2011-07-01 08:26:00", "0.125", "17"),
    Row("101", "p1", "1", "2011-01-01 00:00:00", "1", "18"),
    Row("C102", "p1", "-2", "2011-07-02 10:00:00", "2.55", "17"),
    Row("103", "p1", "1", "2011-07-02 10:00:00", "2.55", ""),
    Row("104", "p1", "1", "2011-07-02 10:00:00", "0", "17"),
    Row("105", "p1", "-1", "2011-07-02 10:00:00", "1", "17"),
]


def test_lines_of_an_invoice_become_one_order_at_its_earliest_line() -> None:
    history = group_orders(ROWS, terms())
    first, second = (each.fact for each in history.facts)
    assert isinstance(first, OrderPlaced)
    assert first.order_id == "101"
    assert first.at == parse_instant("2011-01-01T00:00:00Z")
    assert isinstance(second, OrderPlaced)
    assert second.at == parse_instant("2011-07-01T08:26:00+01:00")
    assert (second.amount, second.lines) == (15_550, (Line("p1", 6, 15_300), Line("p2", 2, 250)))
    assert (second.mode, second.baseline, second.confirmed, second.currency) == ("import", 5, False, "GBP")
    assert (history.rows, history.lines, history.orders, history.customers, history.revenue) == (7, 3, 2, 2, 16_550)
    assert history.skipped == {"return": 1, "no customer": 1, "price not positive": 1, "quantity not positive": 1}


def test_every_row_is_in_a_fact_or_counted_as_skipped() -> None:
    for changes in ({}, {"returns": True}, {"since": parse_instant("2011-06-01T00:00:00Z")}):
        history = group_orders(ROWS, terms(**changes))
        assert history.lines + history.return_lines + sum(history.skipped.values()) == history.rows


def test_a_returned_invoice_is_a_refund_without_order() -> None:
    fact = group_orders(ROWS, terms(returns=True)).facts[-1].fact
    assert isinstance(fact, OrderRefunded)
    assert (fact.refund_id, fact.order_id, fact.amount) == ("C102", "", 5_100)


def test_a_second_reading_gives_the_same_ids_and_another_source_gives_others() -> None:
    ids = [[each.fact.id for each in group_orders(ROWS, terms(source=name)).facts] for name in ("shop", "shop", "pos")]
    assert ids[0] == ids[1]
    assert set(ids[0]).isdisjoint(ids[2])


def test_a_period_takes_whole_orders() -> None:
    edge = parse_instant("2011-07-01T08:26:30+01:00")
    before, after = group_orders(ROWS, terms(until=edge)), group_orders(ROWS, terms(since=edge))
    assert (before.orders, after.orders) == (2, 0)
    assert after.skipped["outside the period"] == 3


@pytest.mark.parametrize(
    ("row", "changes", "sentence"),
    [
        (Row("1", "p", "x", "2011-07-01", "1", "17"), {}, "row 1: quantity, price or date"),
        (Row("1", "p", "1", "01/07/2011", "1", "17"), {}, "row 1: quantity, price or date"),
        (Row("1", "p", "1", "2011-07-01", "nan", "17"), {}, "row 1: quantity, price or date"),
        (Row("1", "p", "1", "2011-07-01", "1.0005", "17"), {}, "invoice 1: amount must have at most 3 decimals"),
    ],
)
def test_a_row_that_cannot_be_read_stops_the_import(row: Row, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HistoryRefusedError, match=sentence):
        group_orders([row], terms(**changes))


def test_an_invoice_of_two_customers_stops_the_import() -> None:
    with pytest.raises(HistoryRefusedError, match="row 2: the customer differs"):
        group_orders([ROWS[0], ROWS[0]._replace(customer="18")], terms())


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_with_other_column_names_is_read_plain_or_packed(tmp_path: Path, *, packed: bool) -> None:
    text = b"no,sku,n,when,price,who,more\r\n7,p,2,2011-07-01,1.5,17,x\r\n"
    path = tmp_path / "orders.csv"
    path.write_bytes(gzip.compress(text) if packed else text)
    columns = Columns(invoice="no", product="sku", quantity="n", at="when", price="price", customer="who")
    history = read_history(path, columns, terms())
    assert (history.orders, history.revenue) == (1, 3_000)
    assert "revenue: 3.000 GBP" in summary(history, SHOP)


def test_a_missing_column_and_a_short_row_are_named(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice\n", encoding="utf-8")
    with pytest.raises(HistoryRefusedError, match="no column CustomerID"):
        read_history(path, Columns(), terms())
    path.write_text("InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n1,2\n", encoding="utf-8")
    with pytest.raises(HistoryRefusedError, match="row 1: has 2 columns"):
        read_history(path, Columns(), terms())


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_file(), reason="the online_retail data set is not here; HUITOU_DATA names its folder")
def test_the_known_answers_of_online_retail() -> None:
    history = read_history(DATA, Columns(), terms(returns=True))
    assert (history.rows, history.lines, history.orders, history.customers) == (541_909, 397_884, 18_532, 4_338)
    assert history.revenue == 8_911_407_904
    assert history.return_lines == 8_905
