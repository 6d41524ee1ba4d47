"""An upgrade that met nothing of a kind proves nothing about it."""

from __future__ import annotations

from tests.upgrade.left import Left


def test_every_kind_that_was_not_there_is_named() -> None:
    assert Left(records=9, customers=3, merged=0, waiting=1, unsent=0).missing == ["merged", "unsent"]
    assert Left(records=9, customers=3, merged=1, waiting=1, unsent=2).missing == []
