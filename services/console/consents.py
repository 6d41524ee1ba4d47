"""One customer's consents as they were told, with what proves them, over HTTP; knows two tables, decides nothing."""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Path, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from services.console.tables import consent, erasure
from shared.instants import format_instant

FRESH: Final = {"Cache-Control": "no-store"}
MOST: Final = 1_000
"""Consents shown of one customer, the latest."""

CustomerId = Annotated[str, Path(pattern=r"^[a-g][0-9a-f]{32}$")]
"""Whole, so that a shortened one is not taken for somebody who never agreed."""


class ConsentShown(msgspec.Struct, frozen=True, kw_only=True):
    """One consent given or withdrawn; instants in ms."""

    event: str
    channel: str
    purpose: str
    granted: bool
    at: int
    """When it was said, as the source told."""
    arrived: int
    source: str
    mode: str
    proof: str
    text_version: str
    operator: str


class History(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known, latest first."""

    consents: tuple[ConsentShown, ...] = ()
    erased_at: int | None = None
    """The person was erased: nothing older is kept."""


class ConsentBook(Protocol):
    """Where histories come from."""

    async def of(self, customer: str) -> History:
        """The history of one customer id; empty for one never heard of."""


class ConsentTable:
    """Reads them from the console's tables."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Opens nothing yet."""
        self._engine = engine

    async def of(self, customer: str) -> History:
        """See `ConsentBook`."""
        query = sa.select(consent).where(consent.c.customer == customer)
        query = query.order_by(consent.c.arrived.desc(), consent.c.offset.desc()).limit(MOST)
        names = ConsentShown.__struct_fields__
        async with self._engine.connect() as connection:
            rows = await connection.execute(query)
            erased = await connection.scalar(sa.select(erasure.c.erased_at).where(erasure.c.customer == customer))
        return History(
            consents=tuple(ConsentShown(**{name: getattr(row, name) for name in names}) for row in rows),
            erased_at=erased,
        )


def routes(book: ConsentBook) -> APIRouter:
    """GET /api/v1/customers/{customer}/consents."""
    router = APIRouter()

    @router.get("/api/v1/customers/{customer}/consents")
    async def consents(customer: CustomerId) -> Response:
        """Who agreed to what, when, by which text, and who took it down."""
        history = await book.of(customer)
        body = {
            "customer": customer,
            "consents": [_written(each) for each in history.consents],
            "erased_at": None if history.erased_at is None else format_instant(history.erased_at),
        }
        return Response(msgspec.json.encode(body), media_type="application/json", headers=FRESH)

    return router


def _written(each: ConsentShown) -> dict[str, Any]:
    return msgspec.structs.asdict(each) | {"at": format_instant(each.at), "arrived": format_instant(each.arrived)}
