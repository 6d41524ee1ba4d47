"""The import command: order history from a CSV file into the log, paced. Knows files and pace; not orders."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol, TextIO, cast

import msgspec

from services.ingest.order_history import History, HistoryFact, HistoryRefusedError, Row, Terms, group_orders
from services.ingest.pacing import ChainLag
from shared.codec import encode, fact_headers
from shared.shop import Shop
from shared.streams.clients import producer
from shared.topics import CUSTOMER_EVENTS

CHUNK: Final = 500
"""Facts handed over before their acknowledgements are awaited."""
MAX_LAG: Final = 5_000
WAIT_SECONDS: Final = 0.2
LINGER_MS: Final = 5
_GZIP: Final = b"\x1f\x8b"


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Names of the columns; the defaults are those of the online_retail data set."""

    invoice: str = "InvoiceNo"
    product: str = "StockCode"
    quantity: str = "Quantity"
    at: str = "InvoiceDate"
    price: str = "UnitPrice"
    customer: str = "CustomerID"


class Progress(Protocol):
    """Who is told how far it is."""

    def start(self, total: int) -> None:
        """The number of facts."""

    def advance(self, sent: int, note: str) -> None:
        """`sent` more facts are in the log; `note` says why it waits, if it does."""


def read_rows(path: Path, columns: Columns) -> Iterator[Row]:
    """The rows of a CSV file, gzipped or not (UTF-8, header row); HistoryRefusedError names a missing column."""
    with _opened(path) as file:
        lines = csv.reader(file)
        header = next(lines, [])
        try:
            places = [header.index(name) for name in msgspec.structs.astuple(columns)]
        except ValueError:
            missing = [name for name in msgspec.structs.astuple(columns) if name not in header]
            raise HistoryRefusedError(f"{path.name}: no column {', '.join(missing)}") from None
        widest = max(places)
        for number, line in enumerate(lines, start=1):
            if len(line) <= widest:
                raise HistoryRefusedError(
                    f"{path.name}: row {number}: has {len(line)} columns, the header {len(header)}"
                )
            yield Row(*[line[place] for place in places])


def read_history(path: Path, columns: Columns, terms: Terms) -> History:
    """The whole file as facts; nothing is sent if a row cannot be read."""
    try:
        return group_orders(read_rows(path, columns), terms)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise HistoryRefusedError(f"{path.name}: cannot be read: {error}") from None


async def send_history(
    bootstrap: str, facts: Sequence[HistoryFact], progress: Progress, *, max_lag: int = MAX_LAG
) -> None:
    """Write the facts in order, acknowledged, and wait whenever the chain is more than `max_lag` records behind."""
    progress.start(len(facts))
    client = producer(bootstrap, linger_ms=LINGER_MS)
    await client.start()
    try:
        async with ChainLag(bootstrap) as chain:
            for start in range(0, len(facts), CHUNK):
                chunk = facts[start : start + CHUNK]
                acks = [
                    await client.send(
                        CUSTOMER_EVENTS.name, encode(each.fact), each.customer.encode(), headers=fact_headers(each.fact)
                    )
                    for each in chunk
                ]
                await asyncio.gather(*acks)
                progress.advance(len(chunk), "")
                await _let_the_chain_follow(chain, progress, max_lag)
    finally:
        await client.stop()


def summary(history: History, shop: Shop) -> list[str]:
    """The sentences that close an import."""
    revenue = f"{history.revenue:0{shop.exponent + 1}d}"
    units, fraction = (revenue[: -shop.exponent], revenue[-shop.exponent :]) if shop.exponent else (revenue, "")
    lines = [
        f"rows read: {history.rows}",
        f"orders: {history.orders} ({history.lines} lines)",
        f"refunds: {history.refunds} ({history.return_lines} lines)",
        f"customers: {history.customers}",
        f"revenue: {units}{'.' if fraction else ''}{fraction} {shop.currency}",
    ]
    return lines + [f"skipped, {reason}: {count} rows" for reason, count in sorted(history.skipped.items())]


async def _let_the_chain_follow(chain: ChainLag, progress: Progress, max_lag: int) -> None:
    while (lag := await chain.records()) is not None and lag > max_lag:
        progress.advance(0, f"the chain is {lag} records behind, waiting")
        await asyncio.sleep(WAIT_SECONDS)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
        file.seek(0)
        plain = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if zipped else file
        yield io.TextIOWrapper(plain, encoding="utf-8", newline="")
