"""Where our own writes to each changelog partition end: a foreign record shows as a jump of the next ack (rule 9); knows no broker."""

from __future__ import annotations

from collections.abc import Sequence

from shared.engine.recovery.effects import Appended


class OwnEnds:
    """Partition → offset that follows the last record we read or wrote there, as far as it is known."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}

    def get(self, number: int) -> int | None:
        """The end; None if it is not known."""
        return self._ends.get(number)

    def stands(self, number: int, end: int) -> None:
        """The partition was read up to `end`."""
        self._ends[number] = end

    def forget(self, number: int) -> None:
        """The partition is not ours any more."""
        self._ends.pop(number, None)

    def wrote(self, number: int, appended: Sequence[Appended] | None) -> bool:
        """Take our own acknowledged batches over; False if records of somebody else stand before or between them.

        An ack without an offset (the broker has the batch already) proves nothing: a jump then shows with the next one.
        """
        if appended is None:
            self.forget(number)
            return True
        own = True
        for first, records in appended:
            expected = self._ends.get(number)
            if first >= 0:
                own = own and expected in {None, first}
                self._ends[number] = first + records
            elif expected is not None:
                self._ends[number] = expected + records
        return own
