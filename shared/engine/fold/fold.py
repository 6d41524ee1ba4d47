"""What a stateful service gives the engine: a pure fold over one customer's records; knows no Kafka and no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from shared.contract.broadcasts import Standing, Tick
from shared.contract.bundles import Bundle
from shared.contract.origin import NEVER, Origin

if TYPE_CHECKING:
    # Console and notifier import what stands here without holding a column: numpy is 0.1 s and 15 MB of a process.
    import numpy as np
    import numpy.typing as npt

S = TypeVar("S", bound=msgspec.Struct)
"""The service's state of one customer: a frozen msgspec struct, stored as msgpack."""

Columns: TypeAlias = "Mapping[str, npt.NDArray[Any]]"
"""Column name → one value per row; a row is a customer of this partition, `live` says whether it counts."""


class Context(msgspec.Struct, frozen=True, gc=False):
    """Everything a step may know beside state and record."""

    key: str
    """The customer."""
    alias: str
    """The id under which the record came; other than `key` where it was forwarded."""
    clock: int
    """Logical now of the partition, ms; 0 before the first tick."""
    arrived: int
    """Arrival of the record at its log (its Kafka timestamp), ms; on scenario stacks the clock stands for it, see docs/semantics.md §1."""
    origin: Origin
    whole: bool = True
    """False while a hand-over to this customer is on its way somewhere in the chain."""
    scenario: bool = False
    behaviour: int = 1
    """The highest that a policy of this partition ever named (rule 14)."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """What the CloudEvents headers of an output say; the engine makes `ce_id` of it (shared/ids.py, `event_id`)."""

    tag: object
    id: str
    """What the record is within its topic. One input record may make several of one id: they are counted."""
    source: str
    at: int
    """Instant, ms."""
    hashed: bool = True
    """False: `ce_id` names its parts in clear, for a record made at nearly every step (the hash is a tenth of a hop's work)."""
    once: bool = False
    """No other record ever has this id: it is `ce_id` as it is."""


class Output(msgspec.Struct, frozen=True, gc=False):
    """A record that leaves the chain: `value` is a tagged struct (None takes the key out), the key decides the partition."""

    topic: str
    key: str
    value: msgspec.Struct | None
    partition: int | None = None
    event: Event | None = None
    """None: a record between our own services, without headers."""


class Outcome(msgspec.Struct, Generic[S], frozen=True, gc=False):
    """What a step answers. `steps` become the one bundle to the next hop; None sends none."""

    state: S
    due: int = NEVER
    """The customer's next due instant, ms; NEVER if nothing is due."""
    as_of: int = 0
    """Logical now of the customer after the step, ms: the bundle's as_of."""
    steps: tuple[Any, ...] | None = None
    outputs: tuple[Output, ...] = ()


class Fold(Protocol[S]):
    """One instance per partition. All methods are pure but `adopt`, which takes over what is in force in the partition."""

    @property
    def name(self) -> str:
        """Of the service: names group and changelog."""
        ...

    @property
    def input(self) -> str:
        """Topic folded."""
        ...

    @property
    def output(self) -> str | None:
        """Topic of the next hop."""
        ...

    @property
    def state(self) -> type[S]:
        """The state's type, for decoding."""
        ...

    @property
    def schema(self) -> int:
        """Version of `state`; `upgrade` reads older ones."""
        ...

    @property
    def records(self) -> Callable[[bytes], Any]:
        """Decoder of the input topic; raises msgspec.DecodeError or UnicodeDecodeError."""
        ...

    @property
    def bundle(self) -> type[Bundle] | None:
        """Bundle type of `output`."""
        ...

    @property
    def columns(self) -> Mapping[str, Any]:
        """Columns beside the due instant: name → numpy dtype."""
        ...

    def empty(self) -> S:
        """The state of a customer never seen."""
        ...

    def upgrade(self, schema: int, body: bytes) -> S:
        """The state from a body that an older version wrote."""
        ...

    def on_record(self, state: S, record: Any, context: Context) -> Outcome[S] | None:
        """A fact (first hop) or a bundle (later hops) of this customer. None: a duplicate that changes nothing."""
        ...

    def on_time(self, state: S, context: Context) -> Outcome[S] | None:
        """All due instants of this customer up to `context.clock`."""
        ...

    def adopt(self, broadcast: Standing, clock: int) -> None:
        """The broadcast is in force from now on (also called at recovery); `clock` is the logical time when it came."""
        ...

    def touched(self, broadcast: Standing, columns: Columns) -> npt.NDArray[np.intp]:
        """Rows of the customers that `on_broadcast` must look at."""
        ...

    def on_broadcast(self, state: S, broadcast: Standing, context: Context) -> Outcome[S] | None:
        """The customer under the broadcast just adopted. None: nothing changes."""
        ...

    def current(self, state: S, context: Context) -> Outcome[S] | None:
        """What was told of this customer last, once more with cause resync, and his read models; None where nothing was told.

        Asked of the first hop at a resync; later hops answer with it to a bundle of cause resync, by `on_record`.
        """
        ...

    def row(self, state: S) -> tuple[int, ...]:
        """Values of `columns`, in their order."""
        ...

    def closes_batch(self, clock: int, tick: Tick) -> bool:
        """Whether this tick (the clock stood at `clock` before it) must be the last record of its batch."""
        ...

    def after_tick(self, clock: int, tick: Tick, columns: Columns) -> Sequence[Output]:
        """Outputs of the partition as a whole after a tick's customers were taken."""
        ...

    def leave(self, state: S, to: str, context: Context) -> tuple[S, tuple[Output, ...]]:
        """Before the state goes to the id `to`: the state that goes, and what others must hear of it."""
        ...

    def surrender(self, state: S) -> tuple[S, bytes]:
        """Hand the state over: what remains here (the redirect's) and the fragment for the stronger id."""
        ...

    def absorb(self, state: S, fragment: bytes, context: Context) -> Outcome[S]:
        """Take a fragment over, once per source: `context.alias`, or the customer's own key where it was given back."""
        ...

    def split(self, state: S, aliases: frozenset[str], record: Any, context: Context) -> tuple[S, bytes]:
        """Take apart what came under `aliases`: what remains here, and the fragment for the id that is split off.

        `record` is the unlink at the first hop, the bundle that tells of it at later ones; the step for it follows.
        """
        ...
