"""Versions of refunds and cancellations, and a grant's own instant, as Segment's messages tell them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.ingest.fields import EventRefusedError
from shared.contract.facts import ConsentSet, OrderCancelled, OrderRefunded
from tests.unit.ingest.test_segment import AT_MS, message, taken, track


def test_v7_a_grant_in_traits_is_undated_unless_it_names_its_instant() -> None:
    word = {"granted": True, "granted_at": "2025-06-30T09:21:33+08:00"}
    dated = {"marketing": word, "service": {"granted": False}}
    given = message(type="identify", traits={"consents": {"sms": True, "email": dated, "wecom": word}})
    assert [(fact.granted, fact.granted_at) for fact in taken(given).facts[1:] if isinstance(fact, ConsentSet)] == [
        (True, None),
        (True, AT_MS - 123),
        (False, None),
        (True, AT_MS - 123),
    ]


def test_v3_a_whole_number_is_the_version_of_a_refund_or_cancellation_and_other_versions_are_not() -> None:
    refund, *_ = taken(track("Order Refunded", order_id="o1", total=1, version=7)).facts
    gone, *_ = taken(track("Order Cancelled", order_id="o1", order_version=3)).facts
    app, *_ = taken(track("Order Cancelled", order_id="o1", version="5.2.0")).facts
    others = ("2", Decimal("3.0"), 0, -1, Decimal("2.5"), True)
    told = [taken(track("Order Cancelled", order_id="o1", version=one)).facts[0] for one in others]
    assert [one.version for one in told if isinstance(one, OrderCancelled)] == [2, 3, None, None, None, None]
    (both,) = taken(track("Order Cancelled", order_id="o1", version=12, order_version="4")).facts
    assert isinstance(both, OrderCancelled)
    assert both.version == 4, "an app's build stands beside it"
    assert isinstance(refund, OrderRefunded)
    assert isinstance(gone, OrderCancelled)
    assert isinstance(app, OrderCancelled)
    assert (refund.version, gone.version, app.version) == (7, 3, None)
    assert (refund.extra, app.extra) == ({}, {"properties": {"version": "5.2.0"}})


@pytest.mark.parametrize(
    ("given", "path", "reason"),
    [
        (
            message(
                type="identify", traits={"consents": {"sms": {"granted": False, "granted_at": "2025-06-30T09:21:33Z"}}}
            ),
            "traits.consents.sms.marketing.granted_at",
            "goes with",
        ),
        (
            message(
                type="identify", traits={"consents": {"sms": {"marketing": {"granted": True, "granted_at": "soon"}}}}
            ),
            "traits.consents.sms.marketing.granted_at",
            "RFC 3339",
        ),
        (
            message(type="identify", traits={"consents": {"sms": {"marketing": {"granted": True, "since": 1}}}}),
            "traits.consents.sms.marketing.since",
            "is unknown",
        ),
        (
            message(type="identify", traits={"consents": {"sms": {"marketing": "yes"}}}),
            "traits.consents.sms.marketing",
            "true or false",
        ),
    ],
)
def test_v7_a_grant_that_cannot_be_read_is_refused_by_its_field(given: object, path: str, reason: str) -> None:
    with pytest.raises(EventRefusedError) as refused:
        taken(given)
    assert refused.value.path == path
    assert reason in refused.value.reason
