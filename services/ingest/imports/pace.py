"""How many imported records may be on their way at once, so that live ones do not wait. Numbers and their reasons.

What a live event waits for is what stands before it in a hop. A hop takes about 0.1 ms of work for a record (make bench), so
what is allowed here is some 40 ms of a hop's work. Hops commit every 0.2 s, and a commit is all that an importer can see: so
this is also what goes through in about a quarter of a second, well above a thousand records per second.
"""

from __future__ import annotations

from typing import Final

ON_THEIR_WAY: Final = 400
"""Records that the hop furthest behind may not have committed yet when more are sent."""
CHUNK: Final = 100
"""Groups of facts handed over before the chain is looked at again, and noted on disk together."""
