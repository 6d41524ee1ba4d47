"""What customers do with messages that reached them: some open, some click; seeded by the message, told to ingest."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import msgspec
from aiokafka import TopicPartition

from deploy.demo.people import event
from deploy.demo.scenario import Event, Scenario
from deploy.demo.verdict import accepted_by_command
from shared.contract.commands import OutreachCommand, SendMessage
from shared.contract.topics import OUTREACH_COMMANDS, PARTITIONS
from shared.ids import share_of
from shared.kafka import clients

LOOK_EVERY = 24
"""Steps between two looks at what was delivered."""
SHARES = (("opened", 0.35), ("clicked", 0.12))
_command = msgspec.json.Decoder(OutreachCommand).decode


class Reactions:
    """Follows commands and the sandbox's log; posts opens and clicks as message.reported events of the member."""

    def __init__(self, scenario: Scenario, members: Mapping[str, str]) -> None:
        """`members`: customer id → member number."""
        self._scenario, self._members = scenario, members
        self._commands: dict[str, SendMessage] = {}
        self._told: set[str] = set()
        self.seen = 0

    async def __aenter__(self) -> Self:
        self._reader = clients.reader(self._scenario.stack.kafka)
        await self._reader.start()
        self._reader.assign([TopicPartition(OUTREACH_COMMANDS.name, number) for number in range(PARTITIONS)])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reader.stop()

    async def react(self, step: int) -> None:
        """Every so often: whoever was reached since the last look may open or click."""
        if step % LOOK_EVERY:
            return
        await self._follow()
        counts = await accepted_by_command(self._scenario.stack.sandbox_url)
        self.seen = len(counts)
        fresh = sorted(command for command in counts if command in self._commands and command not in self._told)
        self._told.update(fresh)
        await self._scenario.post([one for command in fresh for one in self._reaction(self._commands[command])])

    async def _follow(self) -> None:
        while batches := await self._reader.getmany(timeout_ms=5):
            for records in batches.values():
                for record in records:
                    command = _command(record.value)
                    if isinstance(command, SendMessage):
                        self._commands[command.command_id] = command

    def _reaction(self, command: SendMessage) -> list[Event]:
        luck, at = share_of("reaction", command.command_id), self._scenario.now
        customer = {"member": self._members[command.customer]}
        return [
            event(
                "message.reported",
                f"{status}-{command.command_id}",
                at,
                customer,
                command_id=command.command_id,
                rule=command.rule,
                channel=command.channel,
                status=status,
            )
            for status, share in SHARES
            if luck < share and command.channel != "staff_task"
        ]
