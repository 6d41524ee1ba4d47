"""Everything a running stack has answered, read from its topics; knows which topic holds what, compares nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.contract import topics
from tests.oracle import outputs
from tests.oracle.reader import LogRecord, read_topic

Place = tuple[str, int, int]
"""Topic, partition and offset."""


async def observe(
    kafka: str,
    *,
    acked: Collection[str] | None = None,
    accepted: Mapping[str, int] | None = None,
    planted: Collection[Place] = frozenset(),
) -> outputs.Observed:
    """The answers of the stack at this bootstrap address.

    `acked`: ids of the events that ingest accepted. `accepted`: command id → messages the providers' sandbox took.
    What is not given stays None. `planted`: records of inner topics that no service wrote; they and their dead letters
    are left out.
    """

    async def read(topic: topics.Topic) -> list[LogRecord]:
        records = await read_topic(kafka, topic.name)
        return [record for record in records if (topic.name, record.partition, record.offset) not in planted]

    end = outputs.chain_end(await read(topics.SEGMENT_UPDATES))
    decisions, states = outputs.decisions_of(await read(topics.OUTREACH_DECISIONS))
    letters = outputs.dead_letters_of(await read(topics.DEAD_LETTERS))
    return outputs.Observed(
        acked=None if acked is None else frozenset(acked),
        profiles=end.profiles,
        segments=end.segments,
        effects=end.effects,
        snapshots=outputs.snapshots_of(await read(topics.SEGMENTS)),
        changes=outputs.changes_of(await read(topics.SEGMENT_CHANGES)),
        commands=outputs.commands_of(await read(topics.OUTREACH_COMMANDS)),
        decisions=decisions,
        accepted=None if accepted is None else dict(accepted),
        states=states,
        dead=[one for one in letters if (one.topic, one.partition, one.offset) not in planted],
        rejected=outputs.rejected_of(await read(topics.REJECTED_EVENTS)),
    )
