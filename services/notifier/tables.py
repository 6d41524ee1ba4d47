"""The columns of schema `notifier` as queries name them; how they came to be is told in deploy/migrations."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

SCHEMA = "notifier"
_metadata = sa.MetaData(schema=SCHEMA)


def _key(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True)


outbox = sa.Table(
    "outbox",
    _metadata,
    _key("command_id"),
    sa.Column("customer", sa.Text),
    sa.Column("rule", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("purpose", sa.Text),
    sa.Column("alias", sa.Text),
    sa.Column("field", sa.Text),
    sa.Column("payload", sa.LargeBinary),
    sa.Column("send_by", sa.BigInteger),
    sa.Column("state", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("attempt_no", sa.BigInteger),
    sa.Column("look_ups", sa.BigInteger),
    sa.Column("possible_duplicate", sa.Boolean),
    sa.Column("lease_until", sa.BigInteger),
    sa.Column("not_before", sa.BigInteger),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("first_started_at", sa.BigInteger),
    sa.Column("provider_ref", sa.Text),
    sa.Column("created_at", sa.BigInteger),
    sa.Column("updated_at", sa.BigInteger),
)
send_ledger = sa.Table(
    "send_ledger",
    _metadata,
    _key("rule"),
    _key("trigger_key"),
    _key("step", sa.BigInteger),
    _key("position", sa.BigInteger),
    _key("customer"),
    sa.Column("command_id", sa.Text),
    sa.Column("entered_at", sa.BigInteger),
)
send_attempt = sa.Table(
    "send_attempt",
    _metadata,
    _key("command_id"),
    _key("attempt_no", sa.BigInteger),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("outcome", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("provider_ref", sa.Text),
)
kill_switch = sa.Table(
    "kill_switch", _metadata, _key("scope"), sa.Column("reason", sa.Text), sa.Column("at", sa.BigInteger)
)
suppression = sa.Table(
    "suppression",
    _metadata,
    _key("customer"),
    _key("field"),
    sa.Column("reason", sa.Text),
    sa.Column("at", sa.BigInteger),
)
silence = sa.Table(
    "silence",
    _metadata,
    _key("id"),
    _key("channel"),
    _key("purpose"),
    sa.Column("silent", sa.Boolean),
    sa.Column("reason", sa.Text),
    sa.Column("decided_at", sa.BigInteger),
    sa.Column("number", sa.BigInteger),
)
erasure = sa.Table("erasure", _metadata, _key("id"), sa.Column("erased_at", sa.BigInteger))
cancellation = sa.Table(
    "cancellation", _metadata, _key("command_id"), sa.Column("reason", sa.Text), sa.Column("at", sa.BigInteger)
)
contact_point = sa.Table(
    "contact_point",
    _metadata,
    _key("alias"),
    _key("field"),
    sa.Column("sealed", sa.Text),
    sa.Column("at", sa.BigInteger),
    sa.Column("record_key", sa.Text),
)
contact_gone = sa.Table("contact_gone", _metadata, _key("record_key"), sa.Column("at", sa.BigInteger))
stream_position = sa.Table(
    "stream_position",
    _metadata,
    _key("topic"),
    _key("partition", sa.BigInteger),
    sa.Column("next_offset", sa.BigInteger),
    sa.Column("balance", sa.BigInteger),
)
logical_clock = sa.Table("logical_clock", _metadata, _key("one", sa.BigInteger), sa.Column("now_ms", sa.BigInteger))
receipt = sa.Table(
    "receipt",
    _metadata,
    _key("provider"),
    _key("ref"),
    _key("status"),
    sa.Column("command_id", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("applied", sa.Boolean),
)
publication = sa.Table(
    "publication",
    _metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("topic", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("tag", sa.Text),
    sa.Column("event_id", sa.Text),
    sa.Column("at", sa.BigInteger),
    sa.Column("value", sa.LargeBinary),
    sa.Column("partition", sa.BigInteger),
)
