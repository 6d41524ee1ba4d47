"""The book of one customer: messages commanded, decisions told, the ledger of served triggers, the uses of the caps."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shared.contract.bundles import Profile
from shared.contract.commands import SendMessage
from shared.contract.public_records import Verdict
from shared.ids import command_id, derived_id
from shared.language.policy import Message, Rule
from tests.oracle.answers import Decided
from tests.oracle.gates import FIELDS, Candidate, allowed, chosen, expires, reachable


class Use(msgspec.Struct, frozen=True):
    """A marketing touch that counts for the caps, under the command of its message."""

    at: int
    command: str


class Book:
    """Entries of one customer, oldest first."""

    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.policy = 0
        """Number of the policy in force; 0 before the first."""
        self.ledger: set[tuple[str, str]] = set()
        self.uses: list[Use] = []
        self.decisions: list[Decided] = []
        self.commands: list[SendMessage] = []

    def send(self, candidate: Candidate, rule: Rule, profile: Profile, now: int) -> None:
        """Command the messages of a candidate that has passed every gate, and tell the decision."""
        touch = chosen(rule, profile)
        assert touch is not None, "the channel gate has passed"
        sent = [self._command(candidate, rule, profile, now, position=0, message=touch.message)]
        for position, companion in enumerate(touch.companions, start=1):
            if allowed(companion, rule, profile) and reachable(companion, profile):
                sent.append(self._command(candidate, rule, profile, now, position=position, message=companion))
        self.ledger.add(candidate.name)
        if rule.purpose == "marketing":
            self.uses.append(Use(now, sent[0].command_id))
        self.commands += sent
        self.decide(candidate, now, "send", "sent", commands=tuple(command.command_id for command in sent))

    def decide(
        self, candidate: Candidate, now: int, verdict: Verdict, reason: str, *, commands: tuple[str, ...] = ()
    ) -> None:
        """Tell a decision at the instant `now` (ms); `commands` are the ids of those sent by it."""
        self.decisions.append(
            Decided(
                id=derived_id("decision", self.customer, candidate.rule, candidate.key, now),
                rule=candidate.rule,
                trigger_key=candidate.key,
                effective_at=candidate.effective_at,
                decided_at=now,
                verdict=verdict,
                reason=reason,
                until=candidate.until if verdict == "defer" else None,
                commands=commands,
                policy=self.policy,
            )
        )

    def give_back(self, command: str) -> None:
        """The message of this command was not delivered: its use counts no more."""
        self.uses = [use for use in self.uses if use.command != command]

    def count(self, uses: Iterable[Use]) -> None:
        """Uses of another id of the person count too, each once."""
        self.uses = sorted({(use.at, use.command): use for use in (*self.uses, *uses)}.values(), key=_used)

    def _command(
        self, candidate: Candidate, rule: Rule, profile: Profile, now: int, *, position: int, message: Message
    ) -> SendMessage:
        field = FIELDS[message.channel]
        return SendMessage(
            command_id=command_id(rule.id, self.customer, candidate.key, position=position),
            customer=self.customer,
            rule=rule.id,
            trigger_key=candidate.key,
            position=position,
            channel=message.channel,
            purpose=rule.purpose,
            template=message.template,
            alias=profile.contacts.get(field, ""),
            field=field,
            guide=profile.guide if message.channel in ("wecom", "staff_task") else "",
            effective_at=candidate.effective_at,
            decided_at=now,
            send_by=expires(candidate, rule),
            policy=self.policy,
        )


def _used(use: Use) -> tuple[int, str]:
    return use.at, use.command
