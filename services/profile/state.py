"""What the profile service keeps of one customer; knows the stored shape, not how facts change it."""

from __future__ import annotations

import msgspec

from shared.contract.bundles import Consent


class Sealed(msgspec.Struct, frozen=True, array_like=True):
    """Older entries of a book, packed; sorted by (instant, id) and never empty."""

    rows: bytes
    """Fixed-size rows, see orders.ROW."""
    ids: bytes
    """The ids of the rows in full (msgpack); read only when rows come or go."""
    first: str
    """Id of the first row."""
    last: str
    """Id of the last row."""
    told: bytes = b""
    """Beside each row shop and content, see orders.TOLD; empty while they are known of none."""


class Book(msgspec.Struct, frozen=True, array_like=True):
    """Dated amounts under ids, as parallel columns sorted by (instant, id)."""

    ats: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()
    nets: tuple[int, ...] = ()
    """Minor units; for orders after the refunds that name them."""
    versions: tuple[int, ...] = ()
    aliases: tuple[int, ...] = ()
    """Index into State.aliases of the id under which the entry came."""
    sealed: Sealed | None = None
    shops: tuple[int, ...] = ()
    """Place in State.shops, from 1 on; 0: unknown. This column and the next are empty while all their values are 0."""
    contents: tuple[int, ...] = ()
    """Hash of what the order says (ranks.content_of); 0: not known, it came under a behaviour below 4."""


class Product(msgspec.Struct, frozen=True, array_like=True):
    """One product that the customer looked at."""

    latest: int
    """Instant of the latest beat."""
    total: int = 0
    """Sum of the credits, ms."""
    credits: bytes = b""
    """Gaps seen within 24 h before `latest`, packed, by instant; see browsing.CREDIT."""


class Trait(msgspec.Struct, frozen=True, array_like=True):
    """The latest value of a trait."""

    value: str
    at: int


class Tag(msgspec.Struct, frozen=True, array_like=True):
    """Whether the customer has it, and when that was said; one taken off is remembered, for what comes late."""

    on: bool
    at: int


class Said(msgspec.Struct, frozen=True, array_like=True):
    """The latest instant of each kind of word on a consent; None: there is none."""

    refused: int | None = None
    granted: int | None = None
    """Grants with an instant of their own."""
    undated: int | None = None
    """Other grants, by when they were told."""


class Contact(msgspec.Struct, frozen=True, array_like=True):
    """Where a contact field of the customer can be found."""

    alias: str
    """Customer id under which the field was sealed."""
    at: int
    """The step's instant."""


class State(msgspec.Struct, frozen=True, array_like=True):
    """The customer; stored as msgpack, a change of shape needs a new schema number in fold.py."""

    now: int = 0
    """Largest instant stepped to, ms."""
    aliases: tuple[str, ...] = ()
    """Ids under which orders, refunds and contacts came."""
    orders: Book = Book()
    """Orders known and not cancelled."""
    returns: Book = Book()
    """Refunds that name no order, as negative amounts."""
    refunds: bytes = b""
    """Refunds that name an order, known or not, packed; see refunds.ROW."""
    cancelled: bytes = b""
    """Digests of the cancelled order ids."""
    ring: bytes = b""
    """Digests of the latest ids of all other events."""
    products: dict[str, Product] = {}
    traits: dict[str, Trait] = {}
    """Passed on: the text, empty where the value is none."""
    others: dict[str, Trait] = {}
    """Kept only: the value as JSON."""
    consents: dict[str, Consent] = {}
    contacts: dict[str, Contact] = {}
    messages: dict[str, int] = {}
    erased: int = 0
    """Instant up to which the person was erased: what happened by then counts nowhere, whenever it is told."""
    tags: dict[str, Tag] = {}
    parts: dict[str, bytes] = {}
    """What came under each id, packed states of their own (parts.py); empty while everything came under the key."""
    shops: tuple[str, ...] = ()
    """Shops of the orders."""
    versions: bytes = b""
    """Versions of the refunds in `refunds` that are not 1, packed; see refunds.VERSION."""
    cancels: bytes = b""
    """Cancellations of one version of an order, packed; see cancellations.ROW."""
    said: dict[str, Said] = {}
    """All that was said on a consent, where that is more than the answer in `consents`."""
    refused: int = 0
    """Every channel and purpose counts as refused up to this instant: an erasure by behaviour 4; 0: there was none."""
    behaviour: int = 0
    """The highest by which it was decided, from 4 on; 0: below. A partition may hear of a behaviour later than the one that gave a part."""


def is_empty(state: State) -> bool:
    """Whether nothing ever came under the id."""
    return state == State(now=state.now, behaviour=state.behaviour)
