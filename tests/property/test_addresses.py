"""T10: in every order of arrival one address holds, and once all is told again the topic's last record says the same."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.addresses import Held, Told, again, settle
from shared.contract.contact_points import ContactPoint

KEY, PLACE = "u1/phone", ("u1", "phone")


class Notifier:
    """One database and one publisher: it reads the log in batches and appends what it must tell again."""

    def __init__(self) -> None:
        self.at, self.held = 0, Held({}, {}, {})

    def read(self, log: list[Told], most: int) -> None:
        batch = log[self.at : self.at + most]
        self.at += len(batch)
        settled = settle(batch, self.held)
        gone = dict(self.held.gone) | dict(settled.gone)
        kept = {place: each for place, each in self.held.points.items() if each.at > gone.get(each.key, -1)}
        self.held = Held(
            kept | {(each.point.alias, each.point.field): each for each in settled.points if each.point}, gone, {}
        )
        for read, right in settled.again:
            told = again(read, right)
            point = None if told.value is None else msgspec.json.decode(told.value, type=ContactPoint)
            log.append(Told(key=told.key, at=told.at, point=point, where=(0, len(log))))

    def holds(self) -> ContactPoint | None:
        held = self.held.points.get(PLACE)
        return held.point if held else None


def _told(at: int, sealed: str) -> Told:
    return Told(key=KEY, at=at, point=ContactPoint("u1", "phone", sealed, at) if sealed else None)


RECORDS = st.lists(st.builds(_told, st.integers(0, 4), st.sampled_from(["", "a", "b"])), min_size=1, max_size=7)


@given(records=RECORDS, data=st.data())
def test_t10_every_order_of_arrival_holds_the_same_and_the_topic_ends_with_it(
    records: list[Told], data: st.DataObject
) -> None:
    greatest = max(records, key=lambda each: each.place)
    log = data.draw(st.permutations(records))
    log = [msgspec.structs.replace(each, where=(0, offset)) for offset, each in enumerate(log)]
    given_ = len(log)
    notifiers = [Notifier() for _ in range(data.draw(st.integers(1, 3)))]

    while any(each.at < len(log) for each in notifiers):
        data.draw(st.sampled_from([each for each in notifiers if each.at < len(log)])).read(
            log, data.draw(st.integers(1, 3))
        )
        assert len(log) <= given_ * (1 + len(notifiers) * given_), "they answer each other without end"

    assert [each.holds() for each in notifiers] == [greatest.point] * len(notifiers)
    assert (log[-1].at, log[-1].point) == (greatest.at, greatest.point)
    fresh = Notifier()
    fresh.read(log[-1:], 1)
    assert fresh.holds() == greatest.point
