"""T10: of two addresses the later holds, a null reaches an instant, and the topic hears again what it would lose."""

from __future__ import annotations

import msgspec
import pytest

from services.notifier.addresses import UNDATED, Held, Told, again, settle
from shared.contract.contact_points import ContactPoint
from shared.instants import LATEST

KEY, PLACE = "u1/phone", ("u1", "phone")
NOTHING = Held({}, {}, {})


def _point(at: int, sealed: str = "s", offset: int = 0) -> Told:
    return Told(key=KEY, at=at, point=ContactPoint("u1", "phone", sealed, at), where=(3, offset))


def _null(at: int, offset: int = 0) -> Told:
    return Told(key=KEY, at=at, where=(3, offset))


def test_t10_an_old_event_that_is_repeated_does_not_bring_the_old_address_back() -> None:
    settled = settle([_point(10)], Held({PLACE: _point(20)}, {}, {}))

    assert settled.points == ()
    assert settled.again == ((_point(10), _point(20)),)


def test_t10_an_address_given_since_outlives_the_null_of_an_erasure_and_is_told_again() -> None:
    settled = settle([_null(10)], Held({PLACE: _point(20)}, {}, {}))

    assert (settled.gone, settled.emptied) == ({KEY: 10}, frozenset())
    assert settled.again == ((_null(10), _point(20)),)


@pytest.mark.parametrize("held", [Held({}, {KEY: 30}, {}), Held({}, {}, {"u1": 30})])
def test_t10_an_address_from_before_an_erasure_is_not_taken_and_the_null_is_told_again(held: Held) -> None:
    settled = settle([_point(30)], held)

    assert settled.points == ()
    assert [(right.at, right.point) for _, right in settled.again] == [(30, None)]


def test_t10_within_a_batch_only_the_last_record_of_a_key_must_be_the_right_one() -> None:
    settled = settle([_point(20, offset=1), _null(10, 2), _point(30, offset=3)], NOTHING)

    assert settled.points == (_point(30, offset=3),)
    assert settled.again == ()


def test_t10_at_a_tie_a_null_holds_and_of_two_addresses_the_larger_sealed_text() -> None:
    assert settle([_point(20), _null(20)], NOTHING).points == ()
    assert settle([_null(20), _point(20)], NOTHING).points == ()
    for order in (("a", "b"), ("b", "a")):
        (held,) = settle([_point(20, sealed) for sealed in order], NOTHING).points
        assert held.point is not None
        assert held.point.sealed == "b"


def test_t10_what_is_told_again_changes_nothing_and_asks_for_nothing() -> None:
    """So two notifiers never answer each other for ever."""
    held = Held({PLACE: _point(20)}, {KEY: 10}, {})

    assert settle([_point(20), _null(10), _point(20)], held) == settle([], held)


def test_t10_an_undated_null_takes_what_stands_before_it_and_nothing_after() -> None:
    """As nulls were before they carried an instant."""
    settled = settle([_null(UNDATED), _point(5)], Held({PLACE: _point(20)}, {}, {}))

    assert settled.emptied == {KEY}
    assert settled.points == (_point(5),)
    assert settled.again == ()
    assert settle([_null(UNDATED)], Held({PLACE: _point(20)}, {}, {})).again == ()


def test_t10_another_key_is_let_be() -> None:
    other = Told(key="u1/email", at=1, point=ContactPoint("u1", "email", "m", 1))

    settled = settle([_null(10)], Held({("u1", "email"): other, PLACE: _point(5)}, {}, {}))

    assert (settled.points, settled.again) == ((), ())


def test_t10_a_record_told_again_goes_where_the_wrong_one_stands_with_one_id_for_each_attempt() -> None:
    read = _point(10, offset=4)
    address, null = again(read, _point(20)), again(read, _null(2**62))

    assert (address.topic, address.partition, address.key, address.at) == ("contact-points-v1", 3, KEY, 20)
    assert msgspec.json.decode(address.value or b"", type=ContactPoint) == _point(20).point
    assert (null.value, null.at) == (None, LATEST)
    assert again(read, _point(20)).event_id == address.event_id != again(_point(10, offset=5), _point(20)).event_id
