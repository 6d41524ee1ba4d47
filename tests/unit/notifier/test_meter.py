"""Providers' answers and commands' fates are counted by channel and code."""

from __future__ import annotations

import pytest

from services.notifier.channels.contract import Accepted, Unknown
from services.notifier.facts import DECIDED, buried, reports
from services.notifier.meter import CHANNELS, OUTCOMES, Meter
from services.notifier.state import State
from shared.telemetry.registry import Registry
from tests.unit.notifier.test_facts import COMMAND


class Seen:
    """A meter whose series can be read."""

    def __init__(self) -> None:
        registry = Registry("notifier")
        self.meter = Meter(registry)
        self._registry = registry.registry

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_every_channel_and_outcome_begins_at_nothing(seen: Seen) -> None:
    for channel in CHANNELS:
        for outcome in OUTCOMES:
            assert seen("huitou_provider_outcomes_total", channel=channel, call="send", outcome=outcome) == 0
        for state in DECIDED:
            assert seen("huitou_deliveries_total", channel=channel, state=state.value) == 0


def test_an_answer_is_counted_by_its_kind_and_a_look_up_that_finds_nothing_too(seen: Seen) -> None:
    seen.meter.answered("sms", "send", Accepted("ref"))
    seen.meter.answered("sms", "send", Unknown("send-timeout"))
    seen.meter.answered("email", "look_up", None)

    def count(channel: str, call: str, outcome: str) -> float | None:
        return seen("huitou_provider_outcomes_total", channel=channel, call=call, outcome=outcome)

    assert count("sms", "send", "accepted") == count("sms", "send", "unknown") == 1
    assert count("email", "look_up", "not_found") == 1


def test_deliveries_are_counted_as_their_records_leave(seen: Seen) -> None:
    seen.meter.published(reports(COMMAND, State.SENT, "", 1))
    seen.meter.published(reports(COMMAND, State.SUPPRESSED, "consent", 1))
    seen.meter.published([buried(where=("t", 0, 1), key="k", reason="no", arrived=1, sealed=b"")])

    assert seen("huitou_deliveries_total", channel=COMMAND.channel, state="sent") == 1
    assert seen("huitou_deliveries_total", channel=COMMAND.channel, state="suppressed") == 1
    assert seen("huitou_output_records_total", topic="outreach-decisions-v1") == 2
    assert seen("huitou_output_records_total", topic="dead-letters-v1") == 1


def test_states_without_a_command_are_zero_and_not_what_they_were(seen: Seen) -> None:
    seen.meter.outbox([("pending", 7), ("sent", 2)])
    seen.meter.outbox([("sent", 9)])

    assert seen("huitou_outbox_rows", state="pending") == 0
    assert seen("huitou_outbox_rows", state="sent") == 9
    assert seen("huitou_outbox_rows", state="abandoned") == 0
