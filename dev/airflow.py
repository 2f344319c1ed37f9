"""Airflow's REST API, as far as bringing it up needs it: where it answers, signing in, whether the DAG is loaded."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from dev import cluster, credentials, settings
from dev.errors import Stop

_DAG: Final = "container_job"
_PATIENCE: Final = 180
_REQUEST_TIMEOUT: Final = 20
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Of a proxy that the environment names, 127.0.0.1 would be its own."""


def url() -> str:
    """Where Airflow answers on this machine. In a cluster that is not ours, a port-forward has to be running."""
    facts = {} if settings.current_cluster() else cluster.facts() or {}
    return f"http://127.0.0.1:{facts.get('port', settings.airflow_port() or 8080)}"


@contextmanager
def reachable() -> Iterator[str]:
    """The address to talk to Airflow at, through a port-forward of our own where no port of the cluster is mapped."""
    if not settings.current_cluster():
        yield url()
        return
    command = ("kubectl", "--namespace=airflow", "port-forward", "service/airflow", ":8080")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as forward:
        try:
            line = forward.stdout.readline() if forward.stdout else ""
            if not line.startswith("Forwarding from "):
                raise Stop(
                    "`kubectl -n airflow port-forward service/airflow :8080` does not work: can you reach the nodes?"
                )
            yield f"http://{line.split()[2]}"
        finally:
            forward.terminate()


def wait_for_dag(base: str, note: Callable[[str], None]) -> None:
    """Wait until every part of Airflow reports to be healthy and the DAG is loaded and not paused."""
    deadline = time.monotonic() + _PATIENCE
    token = ""
    while waiting := _waits_for(base, token):
        note(waiting)
        if time.monotonic() > deadline:
            logs = "kubectl -n airflow logs deployment/airflow --all-containers"
            raise Stop(f"After {_PATIENCE} s Airflow still waits for {waiting}. Look at `{logs}`.")
        time.sleep(0.5)
        token = token or _sign_in(base)


def _sign_in(base: str) -> str:
    password = credentials.read("airflow", "airflow-users")[credentials.ADMIN]
    answer = _request(f"{base}/auth/token", data={"username": credentials.ADMIN, "password": password})
    return str(answer.get("access_token", ""))


def _waits_for(base: str, token: str) -> str:
    health = _request(f"{base}/api/v2/monitor/health")
    if not health:
        return "the API server to answer"
    if ill := [name for name, part in health.items() if isinstance(part, dict) and part.get("status") != "healthy"]:
        return f"{', '.join(ill)} to be healthy"
    if not token:
        return "signing in"
    paused = _request(f"{base}/api/v2/dags/{_DAG}", token=token).get("is_paused")
    return {None: f"the DAG {_DAG} to be loaded", True: f"the DAG {_DAG} to be unpaused"}.get(paused, "")


def _request(address: str, data: dict[str, str] | None = None, token: str = "") -> dict[str, Any]:
    """What Airflow answers; nothing while it does not, or not with success."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    body = json.dumps(data).encode() if data else None
    request = urllib.request.Request(address, body, headers)  # noqa: S310 - the address is ours
    try:
        with _OPENER.open(request, timeout=_REQUEST_TIMEOUT) as answer:
            return dict(json.load(answer))
    except (OSError, ValueError):
        return {}
