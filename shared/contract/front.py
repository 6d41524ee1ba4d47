"""The union of the records that may stand on customer-events-v1."""

from __future__ import annotations

from shared.contract.broadcasts import Broadcast
from shared.contract.facts import CustomerFact
from shared.contract.identity import Forwarded, Fragment, IdentityConflict, Linked, Unlinked

FrontRecord = CustomerFact | Broadcast | Linked | Unlinked | IdentityConflict | Fragment | Forwarded
"""Everything that may stand on customer-events-v1."""
