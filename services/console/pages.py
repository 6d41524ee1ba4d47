"""The live page and its fragments as HTML; knows templates, languages and figures, no database and no broker."""

from __future__ import annotations

from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from services.console import shown, texts
from services.console.figures import CLASSES, STAGES, DecisionShown, Reading, per_channel
from services.console.lag import LagBoard
from services.console.texts import LANGUAGES, Language
from shared.instants import parse_zone
from shared.shop import Shop

FRAGMENTS: Final = ("summary", "population", "throughput", "lag", "messages", "decisions")
"""Parts of the page that refresh themselves, by template name."""
DECISIONS_SHOWN: Final = 12
REASONS_SHOWN: Final = 9
TYPES_SHOWN: Final = 6


def templates() -> Environment:
    """The console's templates: everything that comes from data is escaped, a name that is missing is an error."""
    return Environment(
        loader=PackageLoader("services.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Pages:
    """Renders; everything that comes from data is escaped."""

    def __init__(self, shop: Shop) -> None:
        """Templates are read when first needed."""
        self._shop, self._zone = shop, parse_zone(shop.zone)
        self._environment = templates()
        self._environment.filters.update(
            grouped=shown.grouped, rate=shown.rate, seconds=shown.seconds, amount=self._amount, at=self._at
        )
        self._environment.globals.update(percent=shown.percent, width=shown.width)

    def page(self, reading: Reading, board: LagBoard, language: Language) -> str:
        """The whole page."""
        return self._render("page", reading, board, language)

    def fragment(self, name: str, reading: Reading, board: LagBoard, language: Language) -> str:
        """One of FRAGMENTS."""
        return self._render(name, reading, board, language)

    def _render(self, name: str, reading: Reading, board: LagBoard, language: Language) -> str:
        return self._environment.get_template(f"{name}.html").render(
            reading=reading,
            board=board,
            lang=language,
            other=next(each for each in LANGUAGES if each != language),
            zone=self._shop.zone,
            fragments=FRAGMENTS,
            logical_now=shown.day_and_second(reading.logical_now, self._zone) if reading.logical_now else "",
            **self._sayings(language),
            **_arranged(reading),
        )

    def _sayings(self, language: Language) -> dict[str, Any]:
        def why(decision: DecisionShown) -> str:
            return texts.reason_text(language, decision.reason, self._at(decision.until) if decision.until else None)

        return {
            "t": lambda key: texts.text(language, key),
            "named": lambda kind, value: texts.named(language, kind, value),
            "why": why,
        }

    def _amount(self, minor: int) -> str:
        return shown.money(minor, self._shop.exponent, self._shop.currency)

    def _at(self, ms: int) -> str:
        return shown.day_and_time(ms, self._zone)


def _arranged(reading: Reading) -> dict[str, Any]:
    """The figures in the order in which the templates lay them out."""
    channels = per_channel(reading.messages)
    history = reading.throughput.history
    return {
        "grid": [(level, [f"{level}_{column}" for column in columns]) for level, columns in CLASSES],
        "stages": STAGES,
        "channels": channels,
        "accepted": sum(row.accepted for row in channels),
        "commands": sum(row.messages for row in channels),
        "types": list(reading.throughput.types.items())[:TYPES_SHOWN],
        "peak": max((*history, 1)),
        "decisions": reading.decisions[:DECISIONS_SHOWN],
        "blank": range(DECISIONS_SHOWN - min(len(reading.decisions), DECISIONS_SHOWN)),
        "verdicts": reading.verdicts[:REASONS_SHOWN],
        "decided": sum(decisions for _, _, decisions in reading.verdicts),
    }
