"""What the segmenter remembers of one customer, and what it hands over; frozen values, to and from msgpack."""

from __future__ import annotations

import msgspec

from shared.contract.bundles import Profile, Segments

NO_DAY = -(2**31)
"""The last local day of a customer without orders: below every day."""


class Customer(msgspec.Struct, frozen=True, array_like=True):
    """Facts as last heard from upstream, and where they put the customer."""

    now: int = 0
    """The largest instant stepped to, ms."""
    seq: int = 0
    """Number of the latest change in segment-changes-v1."""
    day: int = NO_DAY
    """Local day of the last order of all time, days since 1970-01-01."""
    profile: Profile = Profile()
    segments: Segments = Segments()


class Handed(msgspec.Struct, frozen=True, array_like=True):
    """What goes to the stronger id: its facts come from upstream, its own `seq` continues; only the instant is left."""

    now: int


encode_handed = msgspec.msgpack.Encoder().encode
decode_handed = msgspec.msgpack.Decoder(Handed).decode
