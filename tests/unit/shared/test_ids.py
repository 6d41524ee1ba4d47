"""Derived ids are the standard's uuid5 of canonical JSON, written in our own way because they are made for every message."""

from __future__ import annotations

import json
import uuid

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import NAMESPACE, derived_id


@given(st.lists(st.text() | st.integers(-(2**63), 2**63 - 1), max_size=5))
def test_a_derived_id_is_uuid5_of_the_canonical_json(parts: list[str | int]) -> None:
    name = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    assert derived_id(*parts) == str(uuid.uuid5(NAMESPACE, name))
