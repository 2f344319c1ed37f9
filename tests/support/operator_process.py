"""The operator as a process of its own, so that tests can kill it as a node's loss would.

It has the rights that manifests/base gives it, and no others.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import yaml

from tests.support.cluster import ROOT, Cluster, Json, Namespace
from tests.support.fake_store import PASSWORD, USERNAME
from tests.support.wait import until

SOURCES: Final = os.pathsep.join(str(ROOT / folder) for folder in ("operator", "dags"))

START: Final = """
import runpy, sys
sys.modules.update(kubernetes=None, kubernetes_asyncio=None)
runpy.run_module("airflow_container_job", run_name="__main__", alter_sys=True)
"""
"""As `python -m airflow_container_job` in its image, which has neither client; kopf would load them, for seconds."""

QUICK: Final = {
    "ACJ_AIRFLOW_TIMEOUT_SECONDS": "2",
    "ACJ_SWEEP_SECONDS": "2",
    "ACJ_DELETION_DEADLINE_SECONDS": "6",
}
"""Shorter than in production, so that a test sees each of them pass."""


OPERATOR: Final = ("-n", "airflow-container-job", "deployment", "operator")
AIRFLOW: Final = ("-n", "airflow", "deployment", "airflow")
"""What `make up` installs."""


class Served(Protocol):
    """An Airflow, as far as the operator has to find it."""

    @property
    def url(self) -> str:
        """Where it answers."""


class OperatorProcess:
    """The operator, serving one namespace; its log is kept over restarts."""

    def __init__(
        self, namespace: Namespace, airflow: Served, folder: Path, settings: Mapping[str, str] = QUICK
    ) -> None:
        credentials = folder / "credentials"
        credentials.mkdir()
        (credentials / "username").write_text(USERNAME)
        (credentials / "password").write_text(PASSWORD)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(_account(namespace)))
        self._listen = f"127.0.0.1:{_free_port()}"
        self._log = folder / "operator.log"
        self._environment: Mapping[str, str] = {
            **namespace.cluster.environment,
            **settings,
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": SOURCES,
            "ACJ_AIRFLOW_URL": airflow.url,
            "ACJ_AIRFLOW_CREDENTIALS": str(credentials),
            "ACJ_LISTEN": self._listen,
            "ACJ_NAMESPACES": namespace.name,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Where it answers about itself."""
        return f"http://{self._listen}"

    @property
    def log(self) -> str:
        """All it has said so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of its process, which must run."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; it is under way, not ready, when this returns."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START], env=self._environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it as Kubernetes does, by SIGTERM; it must go within its grace period."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(number)
            try:
                until("the operator has ended", lambda: process.poll() is not None, seconds=20)
            finally:
                process.kill()
                process.wait()


@contextmanager
def away(cluster: Cluster, deployed: tuple[str, ...]) -> Iterator[None]:
    """Scale what is installed to nothing for the block: `OPERATOR` or `AIRFLOW`."""
    found = cluster.kubectl("get", *deployed, "--ignore-not-found", "-o", "json").stdout
    if not found:
        yield
        return
    deployment: Json = json.loads(found)
    scale = ("scale", *deployed, "--replicas")
    labels = ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())
    pods = ("get", *deployed[:2], "pods", "-l", labels, "-o", "name")
    try:
        cluster.kubectl(*scale, "0")
        until(f"the installed {deployed[-1]} has ended", lambda: not cluster.kubectl(*pods).stdout, seconds=60)
        yield
    finally:
        cluster.kubectl(*scale, str(deployment["spec"]["replicas"]))
        cluster.kubectl("rollout", "status", *deployed, "--timeout=180s")


def _free_port() -> int:
    """Give a port that nobody has now, and that the kernel hands out to others late."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _account(namespace: Namespace) -> Json:
    """Make the operator's account in the namespace, with its rights; returns a kubeconfig for it.

    What is not in the namespace goes with it all the same, as the namespace owns it.
    """
    name = f"operator-{namespace.name}"
    uid = namespace.kubectl("get", "namespace", namespace.name, "-o", "jsonpath={.metadata.uid}").stdout
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": namespace.name, "uid": uid}
    meta = {"name": name, "ownerReferences": [owner]}
    rbac = "rbac.authorization.k8s.io"
    documents = yaml.safe_load_all((ROOT / "manifests" / "base" / "rbac.yaml").read_text())
    (role,) = (one for one in documents if one["kind"] == "ClusterRole")
    namespace.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}},
        role | {"metadata": meta},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": namespace.name}],
        },
    )
    token = namespace.kubectl("create", "token", "operator", "--duration=4h").stdout.strip()
    admin: Json = json.loads(namespace.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout)
    context = {"name": "test", "context": {"cluster": admin["clusters"][0]["name"], "user": "operator"}}
    return admin | {
        "contexts": [context],
        "current-context": "test",
        "users": [{"name": "operator", "user": {"token": token}}],
    }
