"""Ideas with one home: the broadcast, the lag reader and the projector loop, each found once by its shape in the code."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("shared", "services", "deploy")

SENDS = {"send", "send_and_wait", "send_batch", "Emit"}
COMMITS = {"committed", "commits", "list_consumer_group_offsets"}
RAW_COMMITS = {"list_consumer_group_offsets", "OffsetFetchRequest"}
DRIVERS = ("sqlalchemy", "asyncpg")
ENGINE_BORDER = {"shared.kafka.clients"}
"""What shared/kafka may import of the engine: the constructors of clients."""

EXCEPTIONS = {
    "broadcasts": {
        "/in_process.py": "folds the chain in memory: what it makes is no record of a broker",
        "/pipeline.py": "folds the chain in memory: what it makes is no record of a broker",
    },
    "lag readers": {
        "/rounds.py": "the engine's recovery: where to go on, and where the changelog ends",
        "/rebuild.py": "the engine's rebuild: up to where to fold, and whether the changelog is empty",
        "/notifier/reader.py": "the notifier's intake: is the database behind the commit, and which contacts stand before commands",
    },
    "readers of commits": {},
    "rebalance listeners": {"/kafka_host.py": "the engine's host"},
}
"""Files that have the shape for another reason. Ends of paths: a file may move."""


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _names(node: ast.AST | None) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} if node else set()


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _record(call: ast.Call) -> tuple[ast.expr | None, ast.expr | None]:
    """Partition and value of a record that is handed over, by the signatures of aiokafka, of Emit and of sinks."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    at, value = (1, 3) if _name(call) == "Emit" else (1, 2) if len(call.args) == 3 else (3, 1)
    if "partition" in named and _name(call) != "Emit":
        value = 0 if _name(call) == "send_batch" else 1

    def argument(name: str, place: int) -> ast.expr | None:
        return named.get(name, call.args[place] if len(call.args) > place else None)

    return argument("partition", at), argument("value", value)


def broadcasts(tree: ast.AST) -> Iterator[int]:
    """Lines of a loop that hands the same value to one partition after another."""
    for loop in ast.walk(tree):
        if isinstance(loop, ast.For | ast.AsyncFor | ast.While):
            bound = {one.id for one in ast.walk(loop) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
        elif isinstance(loop, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            bound = {name for each in loop.generators for name in _names(each.target)}
        else:
            continue
        for call in _calls(loop):
            if _name(call) in SENDS:
                partition, value = _record(call)
                if _names(partition) & bound and value is not None and not _names(value) & bound:
                    yield call.lineno


def lag_readers(tree: ast.AST) -> Iterator[int]:
    """Lines that ask for ends, in a module that asks for commits, too."""
    called = list(_calls(tree))
    if any(_name(call) in COMMITS for call in called):
        yield from (call.lineno for call in called if _name(call) == "end_offsets")


def readers_of_commits(tree: ast.AST) -> Iterator[int]:
    """Lines that ask a coordinator for the commits of a group."""
    return (call.lineno for call in _calls(tree) if _name(call) in RAW_COMMITS)


def rebalance_listeners(tree: ast.AST) -> Iterator[int]:
    """Lines of classes that hear of a group's rebalances."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            bases = {name for base in node.bases for name in _names(base)}
            bases |= {base.attr for base in node.bases if isinstance(base, ast.Attribute)}
            if "ConsumerRebalanceListener" in bases:
                yield node.lineno


RULES: dict[str, tuple[Callable[[ast.AST], Iterator[int]], str]] = {
    "broadcasts": (broadcasts, "shared/kafka/broadcast.py"),
    "lag readers": (lag_readers, "shared/kafka/lag.py"),
    "readers of commits": (readers_of_commits, "shared/kafka/commits.py"),
    "rebalance listeners": (rebalance_listeners, "shared/kafka/projector.py"),
}


def found(rule: str, root: Path) -> list[str]:
    """Files under `root` that have the shape of the rule, without its exceptions."""
    shape, _ = RULES[rule]
    return sorted(
        file.relative_to(root).as_posix()
        for top in TREES
        for file in (root / top).rglob("*.py")
        if not file.as_posix().endswith(tuple(EXCEPTIONS[rule]))
        and any(shape(ast.parse(file.read_text(encoding="utf-8"))))
    )


@pytest.mark.parametrize("rule", RULES)
def test_it_has_one_home(rule: str) -> None:
    assert found(rule, ROOT) == [RULES[rule][1]]


SECOND_HOMES = [
    ("broadcasts", "for part in range(12):\n    client.send_and_wait('t', value, partition=part)"),
    ("broadcasts", "while left:\n    part = left.pop()\n    await producer.send('t', value, None, part)"),
    ("broadcasts", "acks = [await producer.send('t', value=encode(tick), partition=n) for n in range(N)]"),
    ("broadcasts", "for n in numbers:\n    await sink.send('t', n, [Emit('t', n, None, value)])"),
    ("broadcasts", "publisher.publish([Emit('t', n, None, value) for n in range(N)])"),
    ("broadcasts", "for n in numbers:\n    await client.send_batch(batch, 't', partition=n)"),
    (
        "lag readers",
        "done = await consumer.committed(place)\nlag = (await consumer.end_offsets([place]))[place] - done",
    ),
    ("lag readers", "found = await clients.commits(b, g, t)\nends = await reader.end_offsets(places)"),
    ("readers of commits", "found = await admin.list_consumer_group_offsets(group)"),
    ("readers of commits", "answer = await client.send(node, OffsetFetchRequest(group, None))"),
    ("rebalance listeners", "class Second(ConsumerRebalanceListener): ..."),
    ("rebalance listeners", "class Second(aiokafka.ConsumerRebalanceListener): ..."),
]


@pytest.mark.parametrize(("rule", "code"), SECOND_HOMES)
def test_a_second_home_is_found(tmp_path: Path, rule: str, code: str) -> None:
    planted = tmp_path / "services" / "ingest" / "second.py"
    planted.parent.mkdir(parents=True)
    planted.write_text("async def it():\n" + "".join(f"    {line}\n" for line in code.splitlines()), encoding="utf-8")

    assert found(rule, tmp_path) == ["services/ingest/second.py"]


NO_BROADCAST = [
    "for key, value in rows:\n    client.send('t', value, key, partition_of(key))",
    "for n, batch in parts.items():\n    sink.send('t', n, batch)",
    "for n in numbers:\n    value = states[n]\n    client.send('t', value, partition=n)",
    "for record in records:\n    client.send(record.topic, record.value, record.key, record.partition)",
]


@pytest.mark.parametrize("code", NO_BROADCAST)
def test_records_of_their_own_are_no_broadcast(code: str) -> None:
    assert not list(broadcasts(ast.parse(code)))


def imports(file: Path) -> set[str]:
    """Names of the modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def strangers(folder: Path) -> list[str]:
    """Forbidden imports of shared/kafka: services, deploy, the engine, a database outside of the projector."""
    return [
        f"{file.name}: {name}"
        for file in sorted(folder.glob("*.py"))
        for name in sorted(imports(file))
        if name.startswith(("services", "deploy"))
        or (name.startswith(("shared.engine", "shared.engine")) and not name.startswith(tuple(ENGINE_BORDER)))
        or (name.split(".")[0] in DRIVERS and file.name != "projector.py")
    ]


def test_the_kafka_package_knows_neither_services_nor_engine_nor_other_databases() -> None:
    assert strangers(ROOT / "shared" / "kafka") == []


@pytest.mark.parametrize(
    "line",
    [
        "from services.console.store import Store",
        "import deploy.stack",
        "from shared.engine.fold.batch import Emit",
        "from shared.engine import batch",
        "from shared.engine.fold import Fold",
        "from sqlalchemy.exc import DBAPIError",
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "lag.py").write_text(f"{line}\n", encoding="utf-8")

    assert strangers(tmp_path)
