"""Known answers on a real shop: 4,338 customers at 2011-12-10, over twelve partitions and the cut maker."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from services.segmenter.cuts import CutMaker
from shared.contract.broadcasts import Cuts
from shared.contract.bundles import Profile, ProfileStep
from shared.contract.partitioner import partition_of
from shared.contract.topics import PARTITIONS
from shared.instants import parse_zone
from shared.shop import Shop
from tests.unit.segmenter.rig import Shard, counted

COLUMNS = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
SHOP = Shop(zone="Europe/London", currency="GBP", exponent=3, window_days=400)


class Invoice(msgspec.Struct):
    number: str
    customer: str
    at: int
    amount: int = 0


def instant(text: str, zone: ZoneInfo) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1000


def invoices(path: Path) -> list[Invoice]:
    """Usual cleaning: a known customer, no returns, quantity and price above zero; one order per invoice."""
    zone, found = parse_zone(SHOP.zone), dict[str, Invoice]()
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        assert next(lines) == COLUMNS
        for number, _, _, quantity, at, price, customer, _ in lines:
            if not customer or number.startswith("C") or int(quantity) <= 0 or float(price) <= 0:
                continue
            if number not in found:
                found[number] = Invoice(number, customer, instant(at, zone))
            found[number].amount += int(int(quantity) * Decimal(price) * 10**SHOP.exponent)
    return sorted(found.values(), key=lambda invoice: (invoice.at, invoice.number))


def steps(history: list[Invoice]) -> Iterator[tuple[str, ProfileStep]]:
    """What the profile service says of each order; the window holds them all."""
    known: dict[str, Profile] = {}
    for invoice in history:
        before = known.get(invoice.customer, Profile(first_order_at=invoice.at, first_order_id=invoice.number))
        known[invoice.customer] = profile = msgspec.structs.replace(
            before,
            orders=before.orders + 1,
            total=before.total + invoice.amount,
            last_order_at=invoice.at,
            last_order_id=invoice.number,
            window_orders=before.window_orders + 1,
            window_amount=before.window_amount + invoice.amount,
        )
        yield invoice.customer, ProfileStep(at=invoice.at, cause="import", profile=profile)


@pytest.mark.data
def test_cuts_classes_and_stages_of_online_retail_are_the_known_ones(data: Path) -> None:
    shards = [Shard(SHOP, epoch_ms=60_000, partition=number) for number in range(PARTITIONS)]
    for customer, step in steps(invoices(data / "online_retail.csv.gz")):
        shards[partition_of(customer.encode())].feed(customer, step, as_of=step.at)
    evening, maker = instant("2011-12-10 00:00:00", parse_zone(SHOP.zone)), CutMaker()

    [published] = [cuts for shard in shards for cuts in counted(maker, shard.tick(evening))]
    for shard in shards:
        shard.cuts(published)

    days = tuple(date(2011, month, day).toordinal() - date(1970, 1, 1).toordinal() for month, day in RECENCY)
    assert published.cuts == Cuts(days, (1, 2, 3, 6), (250_150, 490_220, 942_260, 2_059_450))
    assert (published.epoch, published.population) == (evening, 4338)
    segments = [shard.customer(key).segments for shard in shards for key in shard.states]
    assert Counter(each.rfm for each in segments) == CLASSES
    assert Counter(each.lifecycle for each in segments) == STAGES


RECENCY = ((11, 27), (11, 7), (9, 29), (6, 13))
CLASSES = {
    "important_value": 911,
    "important_develop": 154,
    "important_keep": 366,
    "important_winback": 304,
    "general_value": 117,
    "general_develop": 566,
    "general_keep": 108,
    "general_winback": 1812,
}
STAGES = {"churned": 1449, "silent": 1261, "loyal": 1020, "active": 577, "new": 31}
