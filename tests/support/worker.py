"""The node that jobs run on: marked, emptied and lost as administrators and accidents do it, and always brought back.

Used by the end-to-end tests alone. Airflow and the operator run beside the control plane and never notice.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from tests.support.cluster import Cluster, Json
from tests.support.wait import until

MARK: Final = "example.com/pool"
"""Key of the label and of the taint that tests put on the node."""


class Worker:
    """One worker node of kind: a Node object, and a container of the engine with the same name."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self.name = name

    @classmethod
    def find(cls, cluster: Cluster) -> Self:
        """The first node that is not the control plane."""
        engine = {**os.environ, **cluster.environment}
        ours = ("--filter", "label=io.x-k8s.kind.role=worker", "--filter", "label=io.x-k8s.kind.cluster=acj")
        found = subprocess.run(
            ["docker", "ps", *ours, "--format", "{{.Names}}"], env=engine, capture_output=True, text=True, check=True
        )
        names = sorted(found.stdout.split())
        if not names:
            raise RuntimeError("the cluster has no worker node: `make up WORKERS=1` makes one that has")
        return cls(cluster, names[0])

    def node(self) -> Json:
        """The Node object."""
        found = self._read()
        assert found is not None, f"there is no node {self.name}"
        return found

    def restore(self) -> None:
        """Undo what tests do to it, whichever of it was done."""
        if self._docker("inspect", "--format={{.State.Paused}}", self.name).strip() == "true":
            self._docker("unpause", self.name)
        if self._read() is None:
            self._docker("exec", self.name, "systemctl", "restart", "kubelet")  # registers anew at its start only
            until("the node is registered", lambda: self._read() is not None, 60)
        self._cluster.kubectl("uncordon", self.name)
        self._cluster.kubectl("label", "node", self.name, f"{MARK}-")
        self._cluster.kubectl("taint", "node", self.name, f"{MARK}-", check=False)  # an error where there is none
        self._until_ready()

    @contextmanager
    def marked(self, value: str) -> Iterator[None]:
        """A label on it, and a taint that keeps away whom does not tolerate it."""
        try:
            self._cluster.kubectl("label", "node", self.name, f"{MARK}={value}")
            self._cluster.kubectl("taint", "node", self.name, f"{MARK}={value}:NoSchedule")
            yield
        finally:
            self.restore()

    @contextmanager
    def drained(self) -> Iterator[None]:
        """Its pods evicted, and no new ones."""
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        try:
            self._cluster.kubectl("drain", self.name, *options)
            yield
        finally:
            self.restore()

    @contextmanager
    def lost(self) -> Iterator[None]:
        """Frozen with all that runs on it, and struck off, as a cloud does with a machine that died."""
        kept = self.node()
        try:
            self._docker("pause", self.name)
            self._cluster.kubectl("delete", "node", self.name)
            yield
        finally:
            if self._read() is None:
                self._cluster.kubectl("create", "-f", "-", stdin=_registered_again(kept))
            self.restore()

    def _read(self) -> Json | None:
        return self._cluster.get(f"/api/v1/nodes/{self.name}")

    def _until_ready(self) -> None:
        def ready() -> bool:
            node = self.node()
            conditions = {one["type"]: one["status"] for one in node.get("status", {}).get("conditions", ())}
            return conditions.get("Ready") == "True" and not node["spec"].get("taints")

        until(f"{self.name} is ready again", ready, 90)

    def _docker(self, *words: str) -> str:
        engine = {**os.environ, **self._cluster.environment}
        done = subprocess.run(["docker", *words], env=engine, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr.strip()}"
        return done.stdout


def _registered_again(node: Json) -> Json:
    """The Node object as it was, so that it keeps its pod network."""
    kept = ("name", "labels", "annotations")
    spec = {key: value for key, value in node["spec"].items() if key not in ("taints", "unschedulable")}
    metadata = {key: node["metadata"][key] for key in kept if key in node["metadata"]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}
