"""The outbox in a real PostgreSQL: claims exclude each other, late answers are fenced off, the ledger never forgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
import sqlalchemy as sa

from deploy.migrate import downgrade, upgrade
from services.notifier import intake_store, tables
from services.notifier.facts import Publication
from services.notifier.intake import Batch
from services.notifier.outbox import Outbox
from services.notifier.rows import decode_command
from services.notifier.state import Limits, Move, Row, State
from services.notifier.store import Store
from shared.contract.codec import encode
from shared.contract.commands import SendMessage
from tests.integration.notifier_house import make_command
from tests.support.stack import fresh_database

pytestmark = pytest.mark.asyncio(loop_scope="session")
TABLES = (
    tables.outbox,
    tables.send_ledger,
    tables.send_attempt,
    tables.kill_switch,
    tables.suppression,
    tables.cancellation,
    tables.contact_point,
    tables.contact_gone,
    tables.stream_position,
    tables.logical_clock,
    tables.receipt,
    tables.publication,
)


@pytest_asyncio.fixture(loop_scope="session")
async def store(database_server: str) -> AsyncIterator[Store]:
    async with fresh_database(database_server) as url:
        await upgrade(url)
        opened = Store.connect(url, connections=6)
        yield opened
        await opened.close()


async def test_the_history_goes_up_twice_and_down_to_nothing(database_server: str) -> None:
    async with fresh_database(database_server) as url:
        await asyncio.gather(upgrade(url), upgrade(url))
        await downgrade(url, "base")
        store = Store.connect(url, connections=1)
        async with store.begin() as transaction:
            left = await transaction.connection.scalars(
                sa.text("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'notifier'")
            )
            assert list(left) == []
        await store.close()


async def test_the_tables_are_those_that_the_queries_name(store: Store) -> None:
    async with store.begin() as transaction:
        for table in TABLES:
            found = await transaction.connection.scalars(
                sa.text(
                    "SELECT column_name FROM information_schema.columns WHERE table_schema = :s AND table_name = :t"
                ),
                {"s": "notifier", "t": table.name},
            )
            assert set(found) == set(table.columns.keys())


async def test_two_workers_never_claim_the_same_command(store: Store) -> None:
    await _enter(store, [make_command("claim", number, "staff_task") for number in range(6)])

    async with store.begin() as one, store.begin() as other:
        first = await one.lock_pending("staff_task", limit=4, without=())
        second = await other.lock_pending("staff_task", limit=4, without=())

    ids = [row.command.command_id for row, _ in [*first, *second]]
    assert (len(first), len(second), len(set(ids))) == (4, 2, 6)


async def test_commands_of_a_stopped_rule_are_left_alone(store: Store) -> None:
    await _enter(store, [make_command("rule", 1, "staff_task")])

    async with store.begin() as transaction:
        assert await transaction.lock_pending("staff_task", limit=4, without=frozenset({"reminder"})) == []


async def test_an_answer_to_an_earlier_attempt_changes_nothing(store: Store) -> None:
    outbox = Outbox(store, Limits(), scenario=False)
    command = make_command("fence", 1, "staff_task")
    await _enter(store, [command])
    first = await _lease(store, command)
    async with outbox.begin() as transaction:
        assert await outbox.settle(transaction, first, Move(to=State.PENDING, reason="http-429"))
    second = await _lease(store, command)

    async with outbox.begin() as transaction:
        late = await outbox.settle(transaction, first, Move(to=State.SENT, provider_ref="p"))
        timely = await outbox.settle(transaction, second, Move(to=State.FAILED, reason="template"))

    assert (late, timely) == (False, True)
    assert await _state(store, command) == "failed"


async def test_a_change_of_state_and_its_facts_are_one_transaction(store: Store) -> None:
    outbox = Outbox(store, Limits(), scenario=False)
    command = make_command("atomic", 1, "staff_task")
    await _enter(store, [command])
    leased = await _lease(store, command)

    async def settle_and_fail() -> None:
        async with outbox.begin() as transaction:
            await outbox.settle(transaction, leased, Move(to=State.SENT, provider_ref="p"))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await settle_and_fail()

    assert await _state(store, command) == "sending"
    assert await _publications(store) == []


async def test_a_lease_that_ran_out_is_found_by_the_database_clock(store: Store) -> None:
    lapsed, held = make_command("lapsed", 1, "staff_task"), make_command("lapsed", 2, "staff_task")
    await _enter(store, [lapsed, held])
    await _lease(store, lapsed, lease_ms=-1)
    await _lease(store, held, lease_ms=60_000)

    async with store.begin() as transaction:
        rows = await transaction.lock_lapsed(limit=10)

    assert [row.command.command_id for row in rows] == [lapsed.command_id]


async def test_the_ledger_takes_each_place_once_for_ever(store: Store) -> None:
    command = make_command("ledger", 1, "sms")
    double = msgspec.structs.replace(command, command_id="another-id")

    async with store.begin() as transaction:
        first = await transaction.enter_ledger([command])
    async with store.begin() as transaction:
        again = await transaction.enter_ledger([command, double])

    assert (first, again) == (frozenset({command.command_id}), frozenset())


async def test_a_batch_is_written_with_its_positions_and_positions_never_go_back(store: Store) -> None:
    topic = ("t", 3)
    async with store.begin() as transaction:
        await intake_store.write(transaction.connection, Batch(positions={topic: 9}, logical_now=50))
        await intake_store.write(transaction.connection, Batch(positions={topic: 7}, logical_now=40))

        assert await intake_store.read_positions(transaction.connection) == {topic: (9, 0)}
        assert await transaction.logical_now() == 50


async def test_only_one_publisher_works_and_what_is_published_is_gone(store: Store) -> None:
    records = [
        Publication(topic="t", key=str(number), tag="x", event_id=str(number), at=1, value=b"v") for number in range(3)
    ]
    async with store.begin() as transaction:
        await transaction.publish(records)

    async with store.begin() as one, store.begin() as other:
        mine = await one.waiting_publications(limit=2)
        assert await other.waiting_publications(limit=2) == []
        await one.published([number for number, _ in mine])

    assert [record for _, record in mine] == records[:2]
    assert await _publications(store) == records[2:]


async def _enter(store: Store, commands: list[SendMessage]) -> None:
    batch = Batch(commands={each.command_id: (each, encode(each)) for each in commands}, positions={("t", 0): 1})
    async with store.begin() as transaction:
        await intake_store.write(transaction.connection, batch)


async def _lease(store: Store, command: SendMessage, *, lease_ms: int = 60_000) -> Row:
    async with store.begin() as transaction:
        await transaction.lease([command.command_id], lease_ms=lease_ms)
        found = await transaction.connection.execute(
            sa.select(tables.outbox).where(tables.outbox.c.command_id == command.command_id)
        )
        row = found.one()
    return Row(command=decode_command(row.payload), state=State(row.state), attempt_no=row.attempt_no)


async def _state(store: Store, command: SendMessage) -> str:
    query = sa.select(tables.outbox.c.state).where(tables.outbox.c.command_id == command.command_id)
    async with store.begin() as transaction:
        return str(await transaction.connection.scalar(query))


async def _publications(store: Store) -> list[Publication]:
    async with store.begin() as transaction:
        return [record for _, record in await transaction.waiting_publications(limit=100)]
