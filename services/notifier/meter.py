"""Counts what providers answer and what becomes of commands; labels are channels, states and codes, never a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal, get_args

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from services.notifier.bell import Bell
from services.notifier.channels.contract import ChannelName, Outcome
from services.notifier.facts import DECIDED, Publication
from services.notifier.state import State
from services.notifier.store import Store
from services.notifier.tables import outbox
from shared import clock
from shared.log import Log
from shared.telemetry.meters import UNSEEN, Meters

LOG = Log(__name__)

Call = Literal["send", "look_up"]

COUNT_SECONDS: Final = 15.0
"""Between two counts of the outbox …"""
REST: Final = 100
"""… and at least so many times what a count took: counting takes at most a hundredth of the database's time."""
CHANNELS: Final[tuple[str, ...]] = get_args(ChannelName)
OUTCOMES: Final = tuple(str(each.__struct_config__.tag) for each in get_args(Outcome))
NOT_FOUND: Final = "not_found"
"""The outcome of a look-up that finds nothing."""


class _Told(msgspec.Struct):
    """What is counted of `delivery.decided`."""

    channel: str
    state: str


_told = msgspec.json.Decoder(_Told).decode


class Meter:
    """The notifier's own series; without meters it counts nothing."""

    def __init__(self, meters: Meters = UNSEEN) -> None:
        """Every series begins at 0, so that the first of a kind is a rise."""
        self._outcomes = meters.counter("huitou_provider_outcomes_total")
        self._deliveries = meters.counter("huitou_deliveries_total")
        self._sent = meters.counter("huitou_output_records_total")
        self._rows = meters.gauge("huitou_outbox_rows")
        for channel in CHANNELS:
            for state in DECIDED:
                self._deliveries.labels(channel, state.value)
            for outcome in OUTCOMES:
                self._outcomes.labels(channel, "send", outcome)
            for outcome in (*OUTCOMES, NOT_FOUND):
                self._outcomes.labels(channel, "look_up", outcome)

    def answered(self, channel: ChannelName, call: Call, outcome: Outcome | None) -> None:
        """A provider has answered, or has not in time (`unknown`)."""
        tag = NOT_FOUND if outcome is None else str(outcome.__struct_config__.tag)
        self._outcomes.labels(channel, call, tag).inc()

    def published(self, records: Iterable[Publication]) -> None:
        """The broker has these."""
        for record in records:
            self._sent.labels(record.topic).inc()
            if record.tag == "delivery.decided" and record.value is not None:
                told = _told(record.value)
                self._deliveries.labels(told.channel, told.state).inc()

    def outbox(self, rows: Sequence[tuple[str, int]]) -> None:
        """Commands by state, as just counted."""
        found = Counter(dict(rows))
        for state in State:
            self._rows.labels(state.value).set(found[state.value])


async def keep_counting(store: Store, meter: Meter, bell: Bell) -> None:
    """Count the outbox again and again until the bell stops; while the database is away the last figures stay."""
    by_state = sa.select(outbox.c.state, sa.func.count()).group_by(outbox.c.state)
    while not bell.stopped:
        began = clock.monotonic()
        try:
            async with store.begin() as transaction:
                counted = await transaction.connection.execute(by_state)
                meter.outbox([(state, number) for state, number in counted])
        except (DBAPIError, OSError) as error:
            LOG.warning("outbox not counted", error=type(error).__name__)
        ended = clock.monotonic()
        await _rest(bell, ended + max(COUNT_SECONDS, REST * (ended - began)))


async def _rest(bell: Bell, until: float) -> None:
    """Until that instant, whoever rings; or until the bell stops."""
    while not bell.stopped and (left := until - clock.monotonic()) > 0:
        await bell.wait(left)
