"""A scripted HTTP server: stands for an API server, or for Airflow, where a test needs an answer that real ones do not
give on demand. It knows paths and answers, and nothing of what they mean."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

OVER: Final = "over"
"""In a stream: stay open until the test is over."""


@dataclass
class Script:
    """What the server answers, and what it was asked."""

    url: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    """"METHOD path" -> the answers in their order, the last one for ever; a list is a stream of JSON lines."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every answer."""
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    """"METHOD path", headers and body of each request."""
    reached: defaultdict[str, threading.Event] = field(default_factory=lambda: defaultdict(threading.Event))
    """Set for "METHOD path" once it was answered, and for `OVER` when the test is. A text in a stream waits for it."""

    def answer(self, what: str, *answers: tuple[int, Any]) -> None:
        self.answers[what] = list(answers)


@contextmanager
def serving() -> Iterator[Script]:
    """A server for the block only."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            what = f"{self.command} {urlsplit(self.path).path}"
            if "watch=True" in self.path:
                what = f"WATCH {urlsplit(self.path).path}"
            length = int(self.headers.get("Content-Length", 0))
            sent = self.rfile.read(length)
            script.asked.append((what, dict(self.headers), json.loads(sent) if sent else None))
            left = script.answers.get(what, [(404, {"message": f"nothing at {what}"})])
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            for header in script.headers.items():
                self.send_header(*header)
            self.send_header("Content-Type", "application/json")
            if isinstance(body, list):
                self._stream(body)
            else:
                text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                script.reached[what].set()

        def _stream(self, lines: list[Any]) -> None:
            """Send JSON lines as an API server does: in chunks, each as soon as it is there."""
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in lines:
                if isinstance(line, str):
                    script.reached[line].wait()
                else:
                    text = json.dumps(line).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815 - the names http.server calls

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        for event in list(script.reached.values()):  # a thread may add one
            event.set()
        server.shutdown()
        server.server_close()
        thread.join()
