"""Sealed contact data on contact-points-v1, one record per customer and field."""

from __future__ import annotations

import msgspec

CONTACT_FIELDS = ("phone", "email", "openid", "external_userid", "name")
"""Every contact field that ingest may seal: erasure takes them all away, whether known of or not."""


class ContactPoint(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="contact.point"):
    """A sealed address, keyed by "customer id/field"; a null takes those up to its `ce_time`. `sealed` opens only with alias and field (shared/sealing.py)."""

    alias: str
    field: str
    sealed: str
    at: int
