"""Fixtures that every test may ask for: a running broker, a fresh database, topics of its own, the shared data."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import settings

from tests.support.data import data_directory
from tests.support.sharing import FilesAndHouse, lives_in_house, rank
from tests.support.shop_house import ShopHouse
from tests.support.stack import Embedded, House, Topics, fresh_database, house, jar_cache
from tests.support.starts import Starts

# A shell that starts the tests in the background lets them ignore SIGINT, and so would every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on what else the machine does: no test is timed.
settings.register_profile("huitou", deadline=None)
settings.load_profile("huitou")

_SKIPPED_DATA = pytest.StashKey[list[str]]()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running() -> AsyncIterator[House]:
    """The house of the session; starts nothing by itself."""
    chosen = house(os.environ)
    try:
        yield chosen
    finally:
        await chosen.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def own(running: House) -> AsyncIterator[Embedded]:
    """The embedded house of the session: nobody but these tests uses it, so they may kill its broker and delete its topics."""
    if isinstance(running, Embedded):
        yield running
        return
    ours = Embedded(jar_cache())
    try:
        yield ours
    finally:
        await ours.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def own_broker(own: Embedded) -> str:
    """Bootstrap address of a real Kafka that tests may break, one for the whole session."""
    return await own.kafka()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker(running: House) -> str:
    """Bootstrap address of a real Kafka, one for the whole session."""
    return await running.kafka()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_server(running: House) -> str:
    """Address of a real PostgreSQL whose user may create databases."""
    return await running.database()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database_url(database_server: str) -> AsyncIterator[str]:
    """SQLAlchemy address of an empty database, fresh for each test module."""
    async with fresh_database(database_server) as url:
        yield url


@pytest_asyncio.fixture
async def topics(broker: str) -> Topics:
    """Creates uniquely named topics: `await topics.create("orders", partitions=3)`."""
    return Topics(broker)


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="house")
async def shop_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ShopHouse]:
    """The whole product in real time, one for all tests of the session that ask for it."""
    async with ShopHouse(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """The house ends with the last test that lives there: ten processes that wait would cost a fifth of a core to the end."""
    yield
    if isinstance(item, pytest.Function) and "house" in item.fixturenames and not lives_in_house(nextitem):
        for definition in item.session._fixturemanager.getfixturedefs("house", item) or ():
            definition.finish(item._request)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def data() -> Path:
    """The shared data set; a test that asks for it also bears the mark `data`."""
    directory = data_directory()
    if not directory.is_dir():
        pytest.skip(f"no shared data at {directory}; HUITOU_DATA names another place")
    return directory


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SKIPPED_DATA] = []
    config.pluginmanager.register(_Skipped(config))
    config.pluginmanager.register(Starts())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After pytest-randomly has shuffled the files."""
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesAndHouse | None:
    """With `--dist=loadfile`, which `make test` asks for."""
    return FilesAndHouse(config, log) if config.getoption("dist") == "loadfile" else None


class _Skipped:
    """Notes skipped data tests by their reports, which reach the process that decides even where others run the tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._found = config.stash[_SKIPPED_DATA]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and "data" in report.keywords:
            self._found.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where the data is there, a skipped data test is a hole in the proof: the run fails."""
    if session.config.stash[_SKIPPED_DATA] and data_directory().is_dir():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[_SKIPPED_DATA] and data_directory().is_dir():
        terminalreporter.section("data tests skipped although the data is there", red=True)
        for nodeid in config.stash[_SKIPPED_DATA]:
            terminalreporter.line(nodeid)
