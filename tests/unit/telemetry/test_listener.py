"""The listener answers over real sockets, whatever the process does."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry import listener as subject
from shared.telemetry.health import WORK_WITHIN_SECONDS, Health
from shared.telemetry.listener import Listener
from shared.telemetry.registry import Registry
from shared.telemetry.series import PROCESSES, SERIES, series_of
from shared.telemetry.telemetry import Telemetry

HOST = "127.0.0.1"


class Process:
    """Health, meters and listener of one process whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.health = Health(lambda: self.now)
        self.registry = Registry("clock")
        self.listener = Listener(self.health, self.registry, host=HOST, port=0)

    def get(self, path: str) -> httpx2.Response:
        with httpx2.Client(trust_env=False, timeout=5.0) as client:
            return client.get(f"http://{HOST}:{self.listener.port}{path}")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    monkeypatch.setattr(subject, "POLL_SECONDS", 0.01)
    process = Process()
    yield process
    process.listener.close()


def test_a_process_is_alive_before_it_is_ready(process: Process) -> None:
    starting = process.get("/healthz"), process.get("/readyz")
    process.health.there("broker")

    assert (starting[0].status_code, starting[0].json()) == (200, {"status": "alive"})
    assert (starting[1].status_code, starting[1].json()) == (503, {"status": "waiting", "for": {"process": "starting"}})
    assert (process.get("/readyz").status_code, process.get("/readyz").json()) == (200, {"status": "ready"})


def test_a_process_that_hangs_says_what_and_for_how_long(process: Process) -> None:
    with process.health.working("turn"):
        process.now = WORK_WITHIN_SECONDS + 5
        hung = process.get("/healthz")

    assert (hung.status_code, hung.json()) == (503, {"status": "hung", "seconds": {"turn": WORK_WITHIN_SECONDS + 5}})
    assert process.get("/healthz").status_code == 200


def test_it_answers_while_its_own_thread_computes(process: Process) -> None:
    with socket.create_connection((HOST, process.listener.port)) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            pass
        client.settimeout(0.05)
        answer = client.recv(4_096)

    assert answer.startswith(b"HTTP/1.0 200 OK")


def test_metrics_are_what_prometheus_parses(process: Process) -> None:
    process.registry.counter("huitou_clock_ticks_total").inc(12)
    answer = process.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert [sample.value for sample in families["huitou_clock_ticks"].samples] == [12]
    assert not [name for name in families if name.endswith("_created")]
    assert "process_resident_memory_bytes" in families


def test_what_it_does_not_have_is_told_where_to_find(process: Process) -> None:
    answer = process.get("/")

    assert (answer.status_code, answer.text) == (404, "/healthz, /readyz and /metrics are here\n")


def test_a_client_that_says_nothing_or_hangs_up_keeps_nobody_waiting(process: Process) -> None:
    with socket.create_connection((HOST, process.listener.port)):
        assert process.get("/healthz").status_code == 200
    assert process.get("/healthz").status_code == 200


def test_a_taken_port_is_tried_again_and_the_process_goes_on_meanwhile(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subject, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(subject, "RETRY_SECONDS", 0.02)
    with socket.socket() as somebody:
        somebody.bind((HOST, 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        listener = Listener(Health(), Registry("clock"), host=HOST, port=port)
        time.sleep(0.2)
        said = caplog.text
    try:
        assert said.count("metrics not served yet") == 1
        assert listener.port == port
        with httpx2.Client(trust_env=False) as client:
            assert client.get(f"http://{HOST}:{port}/healthz").status_code == 200
    finally:
        listener.close()


def test_health_is_also_a_series() -> None:
    registry = Registry("profile")
    telemetry = Telemetry(registry)
    before = registry.registry.get_sample_value("huitou_ready")
    telemetry.health.there("partitions")

    assert (before, registry.registry.get_sample_value("huitou_ready")) == (0, 1)
    assert registry.registry.get_sample_value("huitou_healthy") == 1
    assert (telemetry.seen, Telemetry().seen) == (True, False)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_has_its_own_series_and_no_others(process: str) -> None:
    registry = Registry(process)
    kinds = {"counter": registry.counter, "gauge": registry.gauge, "histogram": registry.histogram}
    for series in SERIES:
        if series in series_of(process):
            kinds[series.kind](series.name)
        else:
            with pytest.raises(KeyError):
                kinds[series.kind](series.name)


def test_answers_are_json_on_one_line(process: Process) -> None:
    assert json.loads(process.get("/readyz").content.removesuffix(b"\n")) == process.get("/readyz").json()


def test_methods_that_change_nothing_here_are_refused_and_a_head_has_no_body(process: Process) -> None:
    with httpx2.Client(trust_env=False, base_url=f"http://{HOST}:{process.listener.port}") as client:
        posted, head = client.post("/healthz"), client.head("/healthz")

    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
    assert (head.status_code, head.content) == (200, b"")


def test_an_accept_that_cannot_be_read_is_answered_as_none(process: Process) -> None:
    """prometheus-client 0.26 raises TypeError for a version of OpenMetrics that is no number."""
    with httpx2.Client(trust_env=False) as client:
        told = client.get(
            f"http://{HOST}:{process.listener.port}/metrics",
            headers={"Accept": "application/openmetrics-text; version=x.y"},
        )

    assert told.status_code == 200
    assert "huitou_healthy" in told.text


def test_who_sends_too_slowly_is_cut_off_and_who_comes_in_crowds_is_hung_up_on(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "REQUEST_SECONDS", 0.6)
    place = (HOST, process.listener.port)
    slow = [socket.create_connection(place) for _ in range(subject.MOST_REQUESTS)]
    for each in slow:
        each.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        each.settimeout(5)
    until = time.monotonic() + 5
    crowded = b"?"
    while crowded and time.monotonic() < until:  # until all the slow ones have their thread
        with socket.create_connection(place) as one:
            one.settimeout(0.05)
            one.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            try:
                crowded = one.recv(100)
            except TimeoutError:
                crowded = b"?"
            except ConnectionResetError:
                crowded = b""
    cut = [each.recv(1000) for each in slow]
    for each in slow:
        each.close()

    assert crowded == b""
    assert cut == [b""] * subject.MOST_REQUESTS
    assert process.get("/healthz").status_code == 200
