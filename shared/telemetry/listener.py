"""/healthz, /readyz and /metrics over HTTP, in a thread: it answers while the event loop is busy, or hangs."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from socketserver import TCPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from shared.log import Log
from shared.telemetry.health import Health
from shared.telemetry.registry import Registry

RETRY_SECONDS = 1.0
REQUEST_SECONDS = 10.0
"""A request that is not there as a whole by then is cut off."""
MOST_REQUESTS = 16
"""At once; more are hung up on. Each costs a thread and a descriptor of the process that is watched."""
REFUSED_SECONDS = 0.2
"""Pause where the process has no descriptor left to accept with."""
POLL_SECONDS = 1.0
"""How often the server looks whether it shall end."""

LOG = Log(__name__)


class Listener:
    """Serves one process. A port that is taken is tried again, and nothing else of the process waits for it."""

    def __init__(self, health: Health, registry: Registry, *, host: str, port: int) -> None:
        """`port` 0: any that is free; `port` then says which."""
        self._health, self._place = health, (host, port)
        self._metrics = make_wsgi_app(registry.registry)
        self._server: _Server | None = None
        self._closed = threading.Event()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Waits until it listens; TimeoutError after ten seconds."""
        if not self._bound.wait(REQUEST_SECONDS) or self._server is None:
            raise TimeoutError(f"{self._place}: cannot be listened on")
        return int(self._server.server_address[1])

    def close(self) -> None:
        """End the thread; only tests need it, the thread does not hold up the process's end."""
        self._closed.set()
        self._bound.wait(REQUEST_SECONDS)
        if self._server is not None:
            self._server.shutdown()
        self._thread.join(REQUEST_SECONDS)

    def _run(self) -> None:
        host, port = self._place
        told = False
        while not self._closed.is_set():
            try:
                self._server = server = _Server((host, port), _Handler)
            except OSError as error:
                if not told:
                    LOG.warning("metrics not served yet", host=host, port=port, reason=error)
                told = True
                self._closed.wait(RETRY_SECONDS)
                continue
            server.set_app(self._answer)
            self._bound.set()
            with server:
                server.serve_forever(poll_interval=POLL_SECONDS)
            return

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if method not in {"GET", "HEAD"}:
            start("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Length", "0")])
            return []
        answer = self._found(path, environ, start)
        return [] if method == "HEAD" else answer

    def _found(self, path: str, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if path == "/metrics":
            return self._told(environ, start)
        if path == "/healthz":
            hung = self._health.hung()
            return _json(start, bool(hung), {"status": "hung", "seconds": hung} if hung else {"status": "alive"})
        if path == "/readyz":
            waiting = self._health.waiting()
            return _json(
                start, bool(waiting), {"status": "waiting", "for": waiting} if waiting else {"status": "ready"}
            )
        start("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"/healthz, /readyz and /metrics are here\n"]

    def _told(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        try:
            found: Iterable[bytes] = self._metrics(environ, start)
        except (TypeError, ValueError):  # an Accept that the library cannot read: it then answers as without one
            found = self._metrics({**environ, "HTTP_ACCEPT": ""}, start)
        return found


def _json(start: StartResponse, failing: bool, body: Mapping[str, Any]) -> Iterable[bytes]:  # noqa: FBT001
    status = "503 Service Unavailable" if failing else "200 OK"
    start(status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
    return [msgspec.json.encode(body), b"\n"]


class _Server(ThreadingWSGIServer):
    """Binds without asking a name server for its own name, and keeps quiet about clients that hang up."""

    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        self._slots = threading.BoundedSemaphore(MOST_REQUESTS)
        super().__init__(*arguments)

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError:
            # The connection stays in the queue: without a pause this would turn for nothing.
            time.sleep(REFUSED_SECONDS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        cut = threading.Timer(REQUEST_SECONDS, _cut, (request,))
        cut.daemon = True
        try:
            cut.start()
            super().process_request_thread(request, client_address)
        finally:
            cut.cancel()
            self._slots.release()

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.info("a request to the metrics broke off")


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    """One request a connection."""

    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the library)
        """Requests are not logged."""
