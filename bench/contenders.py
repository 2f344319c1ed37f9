"""The ways to run a container that are compared: how a burst of each is started, and how its end is known.

Used by __main__, one burst after the other, each in a namespace of its own.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final, Protocol

import urllib3

from tests.support.cluster import Cluster, Json, Namespace, manifest

IMAGE: Final = "busybox:1.35"
PAGE: Final = 100
"""Runs of one answer, the most that Airflow gives."""

TRIES: Final = 5
"""Of a request that the server fails to answer, one second apart."""

CONFLICT: Final = 409
"""What a request is answered that was carried out when it was tried before."""

COMMAND: Final = ["sh", "-c", "echo done"]


class Refused(Exception):
    """Airflow refuses a request, or fails to answer it again and again."""


class Burst(Protocol):
    """So many containers at once, of one kind. Those of Airflow's REST API raise Refused."""

    def start(self) -> None:
        """Ask for all of them."""

    def states(self) -> Sequence[str]:
        """Tell of each that has ended how: `good` or something else."""

    def stop(self) -> None:
        """End those that are not over."""


class Objects:
    """A burst of Kubernetes objects."""

    def __init__(self, namespace: Namespace, count: int) -> None:
        self._namespace = namespace
        self._count = count

    resource: str

    def start(self) -> None:
        self._namespace.apply(*(self.one(f"bench-{number}") for number in range(self._count)))

    def states(self) -> list[str]:
        found = self._namespace.items(self.resource)
        return [state for item in found if (state := self.state(item.get("status", {})))]

    def stop(self) -> None:
        self._namespace.kubectl("delete", self.resource, "--all")

    def one(self, name: str) -> Json:
        raise NotImplementedError

    def state(self, status: Json) -> str:
        raise NotImplementedError


class BareJobs(Objects):
    """Kubernetes Jobs, without Airflow."""

    resource = "jobs"

    def one(self, name: str) -> Json:
        container = {"name": "base", "image": IMAGE, "command": COMMAND}
        template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
        about = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}}
        return {**about, "spec": {"backoffLimit": 0, "template": template}}

    def state(self, status: Json) -> str:
        true = {one["type"] for one in status.get("conditions", ()) if one["status"] == "True"}
        return "good" if "Complete" in true else "failed" if "Failed" in true else ""


class ContainerJobs(Objects):
    """AirflowContainerJobs."""

    resource = "airflowcontainerjobs"

    def one(self, name: str) -> Json:
        return manifest(name, image=IMAGE, command=COMMAND)

    def state(self, status: Json) -> str:
        return {"Succeeded": "good", "Failed": "failed"}.get(status.get("phase", ""), "")


class Runs:
    """A burst of DagRuns, asked for one after the other over one connection."""

    def __init__(self, api: Api, namespace: Namespace, count: int, dag_id: str, conf: Json) -> None:
        self._api = api
        self._namespace = namespace
        self._count = count
        self._path = f"/dags/{dag_id}/dagRuns"
        self._conf = conf | {"namespace": namespace.name}
        self._prefix = f"bench-{uuid.uuid4().hex[:8]}"

    def start(self) -> None:
        for number in range(self._count):
            run = {"dag_run_id": f"{self._prefix}-{number}", "conf": self._conf, "logical_date": None}
            self._api.send("POST", self._path, run)

    def states(self) -> list[str]:
        """Only counted, since listing them would cost Airflow as much as running a few."""
        return ["good"] * self._list("success", limit=1)["total_entries"] + ["failed"] * self._list("failed", limit=1)[
            "total_entries"
        ]

    def stop(self) -> None:
        while left := self._list("queued", "running", limit=PAGE)["dag_runs"]:
            for one in left:
                self._api.send("PATCH", f"{self._path}/{one['dag_run_id']}", {"state": "failed"})
        self._namespace.kubectl("delete", "pods", "--all", "--wait=false")

    def _list(self, *states: str, limit: int) -> Json:
        query = [f"run_id_prefix_pattern={self._prefix}", f"limit={limit}", *(f"state={one}" for one in states)]
        found: Json = self._api.send("GET", f"{self._path}?{'&'.join(query)}")
        return found


class Api:
    """Airflow's REST API over one kept connection, as the administrator."""

    def __init__(self, cluster: Cluster) -> None:
        made = cluster.environment
        self._base = made["AIRFLOW_URL"].rstrip("/")
        self._pool = urllib3.PoolManager(maxsize=1, retries=False)
        account = {"username": made["AIRFLOW_USERNAME"], "password": made["AIRFLOW_PASSWORD"]}
        answer = self._pool.request("POST", f"{self._base}/auth/token", json=account)
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def send(self, method: str, path: str, body: Json | None = None) -> Any:
        """Send a request below /api/v2; its JSON. Raises Refused; a server's failure is tried again before.

        Airflow on SQLite fails to insert a record into its audit log now and then.
        """
        url, headers = f"{self._base}/api/v2{path}", self._headers | {"Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        said = ""
        for _ in range(TRIES):
            try:
                answer = self._pool.request(method, url, body=data, headers=headers, timeout=60)
            except urllib3.exceptions.HTTPError as error:
                said = repr(error)
            else:
                if answer.status < 400 or (answer.status == CONFLICT and said):
                    return answer.json()
                said = f"{answer.status} {answer.data[:300]!r}"
                if answer.status < 500:
                    break
            time.sleep(1)
        raise Refused(f"Airflow's answer to {method} {path}: {said}")
