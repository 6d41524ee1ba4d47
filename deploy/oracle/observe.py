"""Everything a running stack has answered, read from its topics; knows which topic holds what, compares nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from deploy.oracle import outputs
from deploy.oracle.reader import read_topic
from shared import topics


async def observe(
    kafka: str, *, acked: Collection[str] | None = None, accepted: Mapping[str, int] | None = None
) -> outputs.Observed:
    """The answers of the stack at this bootstrap address.

    `acked`: ids of the events that ingest accepted. `accepted`: command id → messages the providers' sandbox took.
    What is not given stays None.
    """
    end = outputs.chain_end(await read_topic(kafka, topics.SEGMENT_UPDATES.name))
    decisions, states = outputs.decisions_of(await read_topic(kafka, topics.OUTREACH_DECISIONS.name))
    return outputs.Observed(
        acked=None if acked is None else frozenset(acked),
        profiles=end.profiles,
        segments=end.segments,
        effects=end.effects,
        snapshots=outputs.snapshots_of(await read_topic(kafka, topics.SEGMENTS.name)),
        changes=outputs.changes_of(await read_topic(kafka, topics.SEGMENT_CHANGES.name)),
        commands=outputs.commands_of(await read_topic(kafka, topics.OUTREACH_COMMANDS.name)),
        decisions=decisions,
        accepted=None if accepted is None else dict(accepted),
        states=states,
        dead=outputs.dead_letters_of(await read_topic(kafka, topics.DEAD_LETTERS.name)),
        rejected=outputs.rejected_of(await read_topic(kafka, topics.REJECTED_EVENTS.name)),
    )
