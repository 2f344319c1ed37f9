"""A small stand-in for Airflow's REST API, over real HTTP, for the faults that a real Airflow does not show on demand.

Started by the integration tests; the operator under test talks to it as it would to Airflow 3.3. It keeps DagRuns in
memory (fake_store.py) and runs nothing: a test says when a run starts and ends.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.support.fake_store import Answer, FakeStore, Request


@dataclass
class Fault:
    """What befalls the next `left` requests of this method."""

    method: str
    left: int
    status: int | None = None
    """Answer so, without doing what is asked; without a status the connection is closed unanswered instead."""
    commit: bool = False
    """Do what is asked first."""
    reached: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    let_go: threading.Event = field(default_factory=threading.Event)

    def wait_until_reached(self, seconds: float = 30) -> None:
        """Wait until a request is in it."""
        if not self.reached.acquire(timeout=seconds):
            raise AssertionError(f"no {self.method} request came within {seconds} s")


class FakeAirflow(FakeStore):
    """The server, its DagRuns, and a test's hold on both. All methods may be called from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self._faults: list[Fault] = []
        self._server: _Server | None = None
        self._port = 0

    # ---- life

    @property
    def url(self) -> str:
        """Where it answers, always the same."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._serve()
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self._faults:
            fault.let_go.set()
        self._stop()

    def _serve(self) -> None:
        self._server = _Server(self, self._port)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    # ---- faults

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse connections until the end of the block."""
        self._stop()
        try:
            yield
        finally:
            self._serve()

    def fail_next(self, count: int, status: int, method: str = "POST") -> None:
        """Answer the next requests of this method with an error, and do nothing."""
        self._faults.append(Fault(method, count, status=status))

    def drop_after_commit(self, count: int, method: str = "POST") -> None:
        """Do what is asked, then close the connection without an answer."""
        fault = Fault(method, count, commit=True)
        fault.let_go.set()
        self._faults.append(fault)

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """Answer 500 to whatever is asked, until the end of the block."""
        faults = [Fault(method, 1_000_000, status=500) for method in ("GET", "POST", "PATCH")]
        self._faults += faults
        try:
            yield
        finally:
            for fault in faults:
                self._faults.remove(fault)

    @contextmanager
    def hold(self, method: str = "POST", *, commit: bool) -> Iterator[Fault]:
        """Leave requests of this method unanswered until the end of the block; then close their connections."""
        fault = Fault(method, 1_000_000, commit=commit)
        self._faults.append(fault)
        try:
            yield fault
        finally:
            self._faults.remove(fault)
            fault.let_go.set()

    def count(self, method: str, path: str = "") -> int:
        """How many requests of this method came whose path matches this regular expression."""
        with self._lock:
            return sum(1 for r in self.requests if r.method == method and re.search(path, r.path))

    # ---- answering

    def answer(self, request: Request) -> Answer | None:
        """Answer a request; None closes its connection without an answer."""
        with self._lock:
            self.requests.append(request)
            fault = next((f for f in self._faults if f.method == request.method and f.left > 0), None)
            if fault is not None and request.path == "/auth/token":
                fault = None
            if fault is not None:
                fault.left -= 1
            done = self.respond(request) if fault is None or fault.commit else None
        if fault is None:
            return done
        if fault.status is not None:
            return fault.status, {"detail": f"the fake was told to answer {fault.status}"}
        fault.reached.release()
        fault.let_go.wait()
        return None


class _Server(ThreadingHTTPServer):
    """One thread per connection, one request per connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fake: FakeAirflow, port: int) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, *_: object) -> None:
        """Keep quiet about clients that were killed, as tests do."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        authorization = self.headers.get("Authorization") or ""
        answer = self.server.fake.answer(
            Request(
                method=self.command,
                path=parts.path,
                query=parse_qs(parts.query, keep_blank_values=True),
                body=json.loads(self.rfile.read(length)) if length else None,
                token=authorization.removeprefix("Bearer ") or None,
            )
        )
        if answer is None:
            return
        status, body = answer
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - the names http.server calls

    def log_message(self, *_: object) -> None:
        """Leave the test's output alone."""
