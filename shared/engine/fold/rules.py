"""The rules of a host, by number, so that tests can take each one out and see what breaks; in production none is off."""

from __future__ import annotations

import enum


class Rule(enum.StrEnum):
    """docs/architecture.md, "Rules of the engine". The value is the rule's number there and a word."""

    UNIT_OF_WORK = "1 unit of work"
    EMIT_FIRST = "2 emit before persist"
    COMMIT_LAST = "2 persist before commit"
    CHANGELOG_POSITION = "2 recovery goes on where the changelog stands, whatever was committed"
    PARTITION_VALUES_LAST = "2 partition values last, as one record"
    ONE_IN_FLIGHT = "3 one batch in flight per target"
    FENCE = "4 origin fence"
    MARKS = "5 marks of feedback edges"
    FRAGMENT_PLACE = "5 a fragment takes the place after the last origin"
    RECORD_LIMIT = "5 an output above the limit is poison"
    DIE_ON_FAILURE = "6 a failed produce ends the process"
    REWIND = "7 rewind after a rebalance"
    PARKED = "7 a parked partition is taken back only where nobody else wrote"
    CONTIGUOUS = "8 contiguous offsets"
    CHECKSUM = "8 checksum of the last record"
    HEARTBEAT_WATCH = "9 a worker that was away for longer than its session writes nothing"
    FOREIGN_RECORDS = "9 the owner notices foreign records in its changelog"
    HIGHEST_COUNTER = "9 recovery takes the highest counter of each key"
    PUT_AGAIN = "9 recovery puts again what does not stand last"
    RECOVER_WHOLE = "10 no partition is served before it is whole"
    POISON = "11 poison is dead-lettered, the stream goes on"
    POISON_LIMIT = "11 too much poison stops the worker"
    POISON_BALANCE = "11 a restart does not forget the poison before it"
    FROZEN = "11 a state above the limit is frozen"
    QUIET_TICKS = "12 rounds of ticks alone persist every 5 s"
    BEHAVIOUR = "14 code that does not know the policy's behaviour stops"
    EPOCH_CLOSE = "(§7) an epoch tick closes its batch"


Off = frozenset[Rule]
"""Rules taken out: the empty set in production."""

ALL_ON: Off = frozenset()


class BrokenInvariantError(RuntimeError):
    """Something that the engine relies on does not hold: the process must end, commit nothing and say why."""
