"""Searches everything a running product keeps for given values in clear; knows places, not what they are for."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy.engine import make_url

PREFIX = 4
"""Bytes by which candidates are found."""
SKIPPED = ("kafka", "postgres", "secrets")
"""Folders of a stack that are searched through their own front doors: the broker, the database; secrets hold keys."""

Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Needles:
    """The values and the spellings in which careless code would write them."""

    def __init__(self, values: Iterable[str]) -> None:
        self._by_prefix: dict[bytes, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
        self._value: dict[bytes, str] = {}
        for value in values:
            for spelling in _spellings(value):
                self._by_prefix[spelling[:PREFIX]][len(spelling)].add(spelling)
                self._value[spelling] = value

    def found_in(self, content: bytes) -> set[str]:
        """The values that the bytes hold."""
        found: set[str] = set()
        for prefix, spellings in self._by_prefix.items():
            start = content.find(prefix)
            while start >= 0:
                for length, wanted in spellings.items():
                    piece = content[start : start + length]
                    if piece in wanted:
                        found.add(self._value[piece])
                start = content.find(prefix, start + 1)
        return found


def _spellings(value: str) -> set[bytes]:
    plain = {value, value.lower(), value.upper()}
    raw = {text.encode() for text in plain}
    escaped = {json.dumps(value)[1:-1].encode(), quote(value, safe="").encode()}
    return raw | escaped | {base64.b64encode(value.encode()).rstrip(b"=")[:-1]}


async def in_topics(bootstrap: str, needles: Needles, *, but: frozenset[Place] = frozenset()) -> list[str]:
    """ "topic/partition/offset" of every record, of whatever topic, whose key, value or headers hold a value."""
    hits: list[str] = []
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    await reader.start()
    try:
        places = await _everywhere(bootstrap)
        reader.assign(places)
        ends = {place: end for place, end in (await reader.end_offsets(places)).items() if end}
        await reader.seek_to_beginning(*places)
        while ends:
            for batch in (await reader.getmany(timeout_ms=200)).values():
                for record in batch:
                    content = b"\0".join([record.key or b"", record.value or b"", *_flat(record.headers)])
                    place = record.topic, record.partition, record.offset
                    if place not in but and needles.found_in(content):
                        hits.append("/".join(map(str, place)))
            ends = {place: end for place, end in ends.items() if await reader.position(place) < end}
    finally:
        await reader.stop()
    return hits


async def _everywhere(bootstrap: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        told = await admin.describe_topics(await admin.list_topics())
    finally:
        await admin.close()
    return [TopicPartition(each["topic"], part["partition"]) for each in told for part in each["partitions"]]


def _flat(headers: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    for name, value in headers:
        yield name.encode()
        yield value


async def in_database(url: str, needles: Needles) -> list[str]:
    """ "schema.table.column" of every column, of whatever table, that holds a value."""
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(dsn)
    hits: set[str] = set()
    try:
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for schema, table in tables:
            for row in await connection.fetch(f'SELECT * FROM "{schema}"."{table}"'):  # noqa: S608 (names of the catalogue)
                for column, value in row.items():
                    content = value if isinstance(value, bytes) else str(value).encode()
                    if needles.found_in(content):
                        hits.add(f"{schema}.{table}.{column}")
    finally:
        await connection.close()
    return sorted(hits)


def in_files(directory: Path, needles: Needles, *, but: frozenset[str] = frozenset()) -> list[str]:
    """Names, below the directory, of the files that hold a value: logs, snapshots and whatever else lies there."""
    hits = []
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory)
        if (
            path.is_file()
            and name.parts[0] not in SKIPPED
            and str(name) not in but
            and needles.found_in(path.read_bytes())
        ):
            hits.append(str(name))
    return hits
