"""The script of what goes wrong next on each channel, seeded and so repeatable; it knows no wire format."""

import hashlib
from typing import Literal

import msgspec

Behaviour = Literal["ok", "throttle", "unavailable", "accept_500", "accept_hang", "accept_reset", "accept_garbage"]
"""throttle: 429 or its like; unavailable: 503, nothing accepted; accept_…: accepted, and the answer is spoilt."""


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First the sequence, one entry per call, then the mix (weights; what is missing to 1 is "ok").

    `code:X` in the sequence refuses with the provider's own code X; nothing is accepted then.
    """

    seed: int = 0
    sequence: tuple[str, ...] = ()
    mix: dict[Behaviour, float] = {}
    refused: frozenset[str] = frozenset()
    """Addresses the provider does not take."""
    undeliverable: frozenset[str] = frozenset()
    """Addresses it takes and then fails to reach."""
    retry_after_s: int = 1
    hang_ms: int = 60_000

    def problem(self) -> str | None:
        """Why this script cannot be played, or None."""
        if any(weight < 0 for weight in self.mix.values()) or sum(self.mix.values()) > 1:
            return "mix: weights must not be negative and not exceed 1 together"
        known = set(Behaviour.__args__)  # type: ignore[attr-defined]
        strange = [entry for entry in self.sequence if entry not in known and not entry.startswith("code:")]
        return f"sequence: {strange[0]!r} is neither a behaviour nor code:…" if strange else None


class Fault(msgspec.Struct, frozen=True):
    """What to do with one call."""

    behaviour: Behaviour
    code: str = ""
    """The provider's own refusal; empty: none."""


class Player:
    """Plays one script per channel; calls are counted from the moment a script is set."""

    def __init__(self) -> None:
        self._scripts: dict[str, Script] = {}
        self._calls: dict[str, int] = {}

    def load(self, channel: str, script: Script) -> None:
        """Replace the script of a channel."""
        self._scripts[channel] = script
        self._calls[channel] = 0

    def script(self, channel: str) -> Script:
        """The script in force; all is well where none was loaded."""
        return self._scripts.get(channel, Script())

    def next(self, channel: str) -> Fault:
        """What to do with the call that has just come in."""
        script = self.script(channel)
        call = self._calls.get(channel, 0)
        self._calls[channel] = call + 1
        if call < len(script.sequence):
            entry = script.sequence[call]
            if entry.startswith("code:"):
                return Fault("ok", entry.removeprefix("code:"))
            return Fault(msgspec.convert(entry, Behaviour))
        return Fault(draw(script, channel, call))


def draw(script: Script, channel: str, call: int) -> Behaviour:
    """The behaviour of one call out of the mix: a function of seed, channel and number only."""
    digest = hashlib.sha256(f"{script.seed}:{channel}:{call}".encode()).digest()
    point = int.from_bytes(digest[:8]) / 2**64
    for behaviour, weight in sorted(script.mix.items()):
        if point < weight:
            return behaviour
        point -= weight
    return "ok"
