"""The events that the job is fed with, the same in every run: few customers buy often, one event in a hundred comes twice."""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate

import msgspec

START = 1_700_000_000.0
"""`ts` of the first event, seconds; the next are 10 ms apart."""
AGAIN_EACH = 100
KINDS = ("purchase", "purchase", "purchase", "browse", "message")
_encode = msgspec.json.Encoder().encode


def events(name: str, count: int, customers: int) -> Iterator[tuple[bytes, bytes]]:
    """`count` pairs of key and value; of `customers` each has at least one where there are enough events."""
    weights = list(accumulate((rank + 10) ** -0.8 for rank in range(customers)))
    each, last = max(1, count // customers), dict[int, bytes]()
    for number in range(count):
        chance = hashlib.blake2b(f"{name}/{number}".encode(), digest_size=32).digest()
        who = bisect(weights, int.from_bytes(chance[:8], "big") / 2**64 * weights[-1])
        if number % each == 0 and number // each < customers:
            who = number // each
        if who not in last or chance[8] % AGAIN_EACH:
            last[who] = _encode(
                {
                    "id": chance[:16].hex(),
                    "type": KINDS[chance[9] % len(KINDS)],
                    "customer": _customer(who),
                    "amount": (100 + int.from_bytes(chance[10:13], "big") % 49_900) / 100,
                    "ts": START + number * 0.01,
                    "src": "web",
                }
            )
        yield _customer(who).encode(), last[who]


def _customer(number: int) -> str:
    return f"c{number:07d}"
