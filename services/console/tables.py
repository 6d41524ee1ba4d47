"""The columns of schema `console` as queries name them; how they came to be is told in deploy/migrations."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

SCHEMA = "console"
_metadata = sa.MetaData(schema=SCHEMA)


def _key(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True)


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    return sa.Table(name, _metadata, *columns)


stream_position = _table(
    "stream_position", _key("topic"), _key("partition", sa.BigInteger), sa.Column("next_offset", sa.BigInteger)
)
logical_clock = _table("logical_clock", _key("one", sa.BigInteger), sa.Column("now_ms", sa.BigInteger))
customer = _table(
    "customer",
    _key("customer"),
    sa.Column("lifecycle", sa.Text),
    sa.Column("sleep_warning", sa.Boolean),
    sa.Column("rfm", sa.Text),
    sa.Column("orders", sa.BigInteger),
    sa.Column("amount", sa.BigInteger),
    sa.Column("as_of", sa.BigInteger),
)
change_mark = _table("change_mark", _key("customer"), sa.Column("seq", sa.BigInteger))
message = _table(
    "message",
    _key("command_id"),
    sa.Column("rule", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("at", sa.BigInteger),
    sa.Column("opened", sa.Boolean),
    sa.Column("clicked", sa.Boolean),
)
decision = _table(
    "decision",
    _key("id"),
    sa.Column("customer", sa.Text),
    sa.Column("rule", sa.Text),
    sa.Column("verdict", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("until", sa.BigInteger),
    sa.Column("effective_at", sa.BigInteger),
    sa.Column("decided_at", sa.BigInteger),
    sa.Column("command_id", sa.Text),
    sa.Column("arrived", sa.BigInteger),
    sa.Column("partition", sa.BigInteger),
    sa.Column("offset", sa.BigInteger),
)
letter = _table(
    "letter",
    _key("id"),
    sa.Column("topic", sa.Text),
    sa.Column("partition", sa.BigInteger),
    sa.Column("offset", sa.BigInteger),
    sa.Column("key", sa.LargeBinary),
    sa.Column("customer", sa.Text),
    sa.Column("service", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("path", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("arrived", sa.BigInteger),
    sa.Column("told_at", sa.BigInteger),
    sa.Column("sealed", sa.Text),
    sa.Column("history", sa.Boolean),
)
letter_action = sa.Table(
    "letter_action",
    sa.MetaData(schema="audit"),
    _key("number", sa.BigInteger),
    sa.Column("letter", sa.Text),
    sa.Column("action", sa.Text),
    sa.Column("operator", sa.Text),
    sa.Column("at", sa.BigInteger),
    sa.Column("arrived", sa.BigInteger),
    sa.Column("detail", sa.Text),
)
"""Only ever appended to; it stays when the console's schema is made anew."""

consent = _table(
    "consent",
    _key("partition", sa.BigInteger),
    _key("offset", sa.BigInteger),
    sa.Column("customer", sa.Text),
    sa.Column("event", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("purpose", sa.Text),
    sa.Column("granted", sa.Boolean),
    sa.Column("at", sa.BigInteger),
    sa.Column("arrived", sa.BigInteger),
    sa.Column("source", sa.Text),
    sa.Column("mode", sa.Text),
    sa.Column("proof", sa.Text),
    sa.Column("text_version", sa.Text),
    sa.Column("operator", sa.Text),
)
erasure = _table("erasure", _key("customer"), sa.Column("erased_at", sa.BigInteger))

population = _table(
    "population",
    _key("lifecycle"),
    _key("sleep_warning", sa.Boolean),
    _key("rfm"),
    sa.Column("customers", sa.BigInteger),
    sa.Column("orders", sa.BigInteger),
    sa.Column("amount", sa.Numeric(40, 0)),
)
movement = _table("movement", _key("dimension"), _key("before"), _key("after"), sa.Column("changes", sa.BigInteger))
message_count = _table(
    "message_count",
    _key("rule"),
    _key("channel"),
    _key("state"),
    sa.Column("messages", sa.BigInteger),
    sa.Column("opened", sa.BigInteger),
    sa.Column("clicked", sa.BigInteger),
)
decision_count = _table(
    "decision_count", _key("rule"), _key("verdict"), _key("reason"), sa.Column("decisions", sa.BigInteger)
)
event_total = _table("event_total", _key("type"), sa.Column("events", sa.BigInteger))
event_second = _table("event_second", _key("second", sa.BigInteger), _key("type"), sa.Column("events", sa.BigInteger))

COUNTS = {
    table.name: table for table in (population, movement, message_count, decision_count, event_total, event_second)
}
"""Tables that only ever have amounts added to a key."""
