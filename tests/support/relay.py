"""A line between the operator and the API server that a test can cut, and on which it can answer one watch itself."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

CHUNK: Final = 65536


class Relay:
    """Passes on what comes to what `kubectl proxy` serves with the rights of a kubeconfig. To be used with `with`."""

    def __init__(self, kubeconfig: Path, environment: Mapping[str, str]) -> None:
        self._command = ["kubectl", "--kubeconfig", str(kubeconfig), "proxy", "--port=0"]
        self._environment = dict(environment)
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._spoilt = ""
        self._lock = threading.Lock()
        self.port = 0

    def __enter__(self) -> Self:
        self._proxy = subprocess.Popen(self._command, stdout=subprocess.PIPE, env=self._environment, text=True)
        assert self._proxy.stdout is not None
        said = self._proxy.stdout.readline()  # once it serves
        self._upstream = int(said.strip().rpartition(":")[2])
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._proxy.kill()
        self._proxy.wait()

    def mend(self) -> None:
        """Pass everything on (again)."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        listener, self._listener = self._listener, None
        with self._lock:
            for one in (listener, *self._open):
                if one is not None:
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
            if listener is not None:
                listener.close()

    def spoil(self, resource: str) -> None:
        """Break all connections, and let the next watch of this resource be told of an error of the API server."""
        self.cut()
        self._spoilt = f"/{resource}?watch="
        self.mend()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError), socket.create_connection(("127.0.0.1", self._upstream)) as upstream:
            with self._lock:
                self._open |= {connection, upstream}
            try:
                request = connection.recv(CHUNK)
                if self._spoilt and self._spoilt.encode() in request.partition(b"\r\n")[0]:
                    self._spoilt = ""
                    connection.sendall(_error())
                    return
                upstream.sendall(request)
                threading.Thread(target=_pump, args=(upstream, connection), daemon=True).start()
                _pump(connection, upstream)
            finally:
                with self._lock:
                    self._open -= {connection, upstream}


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


def _error() -> bytes:
    """A watch that ends with an error, as an API server sends one when its storage fails."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": 500,
        "message": "etcdserver: no leader",
    }
    body = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
