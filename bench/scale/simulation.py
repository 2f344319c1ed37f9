"""Nodes and pods that KWOK simulates, in the kind cluster: there for one run, and gone after it, however it ends.

Called by __main__. KWOK and the answerer of log requests (bench/kwok) run as units of the control plane node's systemd,
where the API server reaches them on the loopback device. Refuses nothing: without our cluster, docker says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from dev import binaries
from dev.errors import CommandFailed
from dev.progress import step
from dev.run import apply, docker, kubectl

CONTROL_PLANE: Final = "acj-control-plane"
LABEL: Final = "bench.acj.dev/simulated"
"""Of the nodes, their taint, and the pods: "true"."""

DURATION: Final = "bench.acj.dev/duration"
"""Annotation of a pod: how long its container runs, in Go's notation."""

UNITS: Final = ("kwok", "logs")
_NODES: Final = 4
_FOLDER: Final = "/var/lib/simulation"
_KUBECONFIG: Final = "/etc/kubernetes/admin.conf"


@contextmanager
def running() -> Iterator[None]:
    """Simulated nodes, Ready for pods that tolerate them."""
    programs = binaries.kwok()
    try:
        with step("simulated nodes"):
            _stop()
            _start(programs)
            apply("\n---\n".join(json.dumps(_node(number)) for number in range(_NODES)))
            kubectl("wait", "--for=condition=Ready", "nodes", f"--selector={LABEL}", "--timeout=30s")
        yield
    finally:
        with step("remove simulated nodes"):
            _stop()


def placement() -> dict[str, object]:
    """The part of a resource's spec that puts its pod onto a simulated node, and there alone."""
    return {
        "nodeSelector": {LABEL: "true"},
        "tolerations": [{"key": LABEL, "operator": "Exists"}],
    }


def _node(number: int) -> dict[str, object]:
    # Without the label kubernetes.io/os, kube-proxy's DaemonSet stays away.
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"simulated-{number}", "labels": {LABEL: "true"}},
        "spec": {"taints": [{"key": LABEL, "value": "true", "effect": "NoSchedule"}]},
    }


def _start(programs: Path) -> None:
    docker("exec", CONTROL_PLANE, "mkdir", "-p", _FOLDER)
    for file in (*(programs / unit for unit in UNITS), Path(__file__).with_name("kwok.yaml")):
        docker("cp", file, f"{CONTROL_PLANE}:{_FOLDER}/")
    _unit("kwok", f"--kubeconfig={_KUBECONFIG}", f"--config={_FOLDER}/kwok.yaml", "--v=WARN")
    _unit("logs", f"-kubeconfig={_KUBECONFIG}", f"-selector={LABEL}=true")


def _unit(name: str, *arguments: str) -> None:
    docker(
        *("exec", CONTROL_PLANE, "systemd-run", "--quiet", "--collect", f"--unit=simulation-{name}"),
        *(f"{_FOLDER}/{name}", *arguments),
    )


def _stop() -> None:
    """Nodes first: KWOK would go on writing about them."""
    kubectl("delete", "nodes", f"--selector={LABEL}", "--ignore-not-found", "--wait=false")
    for unit in UNITS:
        with suppress(CommandFailed):  # it does not run
            docker("exec", CONTROL_PLANE, "systemctl", "stop", f"simulation-{unit}")
    docker("exec", CONTROL_PLANE, "rm", "-rf", _FOLDER)
