"""What an authentic call says is published, then what its source declares. Knows the order of these; not HTTP."""

from __future__ import annotations

from typing import final

from services.ingest import declarations
from services.ingest.declarations import Declarations
from services.ingest.fields import EventRefusedError
from services.ingest.hooks.delivery import Delivery, Provider, Receipt
from services.ingest.hooks.sources import AnySource
from services.ingest.intake import Intake, Outcome
from services.ingest.strict_json import JsonRefusedError


@final
class Taker:
    """Takes calls whose signature is right."""

    def __init__(self, intake: Intake, declared: Declarations) -> None:
        self._intake, self._declarations = intake, declared

    async def take(self, provider: Provider, delivery: Delivery, source: AnySource) -> Receipt:
        """Publish what it says. What cannot be read is kept as a rejected event: again it would be the same."""
        try:
            mapped = provider.map(delivery, source)
        except (JsonRefusedError, EventRefusedError) as refusal:
            return Receipt(await self._intake.pushed([refusal], source=source.name, raw=delivery.raw))
        if mapped.erase is not None:
            return Receipt([await self._erase(mapped.erase, delivery, source)])
        if not mapped.events:
            return Receipt(ignored=mapped.ignored)
        told = [event for event in mapped.events if not _declares(event)]
        outcomes = await self._intake.pushed(told, source=source.name, raw=delivery.raw) if told else []
        whole = all(outcome.refusal is None for outcome in outcomes)
        heard = [await self._hear(event, source, whole=whole) for event in mapped.events if _declares(event)]
        return Receipt([*outcomes, *heard])

    async def _erase(self, wish: object, delivery: Delivery, source: AnySource) -> Outcome:
        """A wish that names nobody is kept as a rejected event: the provider will not ask again."""
        try:
            return Outcome((await self._intake.erase(wish, source=source.name, whole=False)).id, None)
        except EventRefusedError as refusal:
            (outcome,) = await self._intake.pushed([refusal], source=source.name, raw=delivery.raw)
            return outcome

    async def _hear(self, declaration: object, source: AnySource, *, whole: bool) -> Outcome:
        """A declaration counts once its call's events are in the log, and not if one of them was refused."""
        name = declaration.get("id") if isinstance(declaration, dict) else None
        name = name if isinstance(name, str) else None
        if not whole:
            return Outcome(
                name, EventRefusedError("", "an event of the same call was refused: not everything was told")
            )
        try:
            await self._declarations.take(declaration, source=source.name)
        except EventRefusedError as refusal:
            return Outcome(name, refusal)
        return Outcome(name, None)


def _declares(event: object) -> bool:
    return isinstance(event, dict) and event.get("type") == declarations.TYPE
