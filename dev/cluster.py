"""The kind cluster `acj`: made, judged, removed.

A cluster counts only once a ConfigMap in it says so, written last: what an interrupted run left lacks it and is made
anew, as is one whose nodes are not all there and Ready, or that was asked for differently. One whose control plane
runs and does not answer is left alone: the machine may be busy.
"""

import json
import shutil
import sys
import time
from pathlib import PurePosixPath
from typing import Final

from dev import binaries, machine, node_image, paths, pins, settings
from dev.engine import is_private
from dev.errors import CommandFailed, Stop
from dev.host_network import BRIDGE
from dev.progress import say, step
from dev.run import docker, kubectl, run, succeeds

NAME: Final = "acj"
CONTROL_PLANE: Final = f"{NAME}-control-plane"
AUDIT_LOG: Final = "/var/log/kubernetes/audit.log"
"""On the control plane: the writes of the operator and of Airflow, as _AUDIT_POLICY says, a line each."""

_AUDIT_POLICY: Final = paths.CHECKOUT / "dev/audit-policy.yaml"
_NODE_PORT: Final = 30080
"""Of the Service `airflow`."""

_POLICY_ON_NODE: Final = "/etc/airflow-container-job/audit-policy.yaml"
"""Not below /etc/kubernetes, which kubeadm wants to find empty."""

_MARK: Final = ("--namespace=kube-system", "configmap", "airflow-container-job-cluster")
_PATIENCE: Final = 60


def exists() -> bool:
    return bool(shutil.which("kind")) and NAME in run("kind", "get", "clusters").split()


def nodes() -> list[str]:
    """The containers that are its nodes."""
    return run("kind", "get", "nodes", f"--name={NAME}").split()


def facts() -> dict[str, str] | None:
    """What the running cluster was asked to be; None when there is none, or a half-made one."""
    if not paths.KUBECONFIG.exists() or not shutil.which("kubectl"):
        return None
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return dict(json.loads(kubectl("--request-timeout=5s", "get", *_MARK, "--output=json"))["data"])
        except CommandFailed as error:
            if "(NotFound)" in str(error) or not _control_plane_runs():
                return None
        if time.monotonic() > deadline:
            raise Stop(
                f"The API server of the cluster {NAME} has not answered for {_PATIENCE} s: try again when the machine "
                "is less busy, or remove the cluster with `make down`."
            )
        time.sleep(1)


def _control_plane_runs() -> bool:
    try:
        return docker("inspect", "--format={{.State.Status}}", CONTROL_PLANE).strip() == "running"
    except CommandFailed:
        return False


def ensure(image: str) -> None:
    """Make the cluster, unless the one that runs is what is asked for."""
    found = facts()
    workers, port = settings.workers(), settings.airflow_port()
    wanted = {
        "image": image,
        "workers": str(workers if workers is not None else (found or {}).get("workers", 1)),
        "port": str(port if port is not None else (found or {}).get("port", 8080)),
        "audit": paths.digest(_AUDIT_POLICY),
    }
    if found == wanted and _is_whole(int(wanted["workers"]) + 1):
        if image == node_image.made_name():
            _lay_pod_network()  # routes do not outlive a restart of the nodes
        return
    if exists():
        differs = ", ".join(key for key in wanted if found and found.get(key) != wanted[key])
        state = f"was made differently ({differs})" if differs else "is half made, or not all of it runs"
        say(f"the cluster that is there {state}: made anew")
        delete()
    machine.require_free_port(int(wanted["port"]))
    machine.require_space(5, "A cluster with Airflow")
    with step("kind cluster") as note:
        if is_private():
            _create_network()
        _create(wanted)
        _ensure_kubectl()
        if image == node_image.made_name():
            note("pod network")
            _lay_pod_network()
        note("nodes to be Ready")
        kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s")
        data = [f"--from-literal={key}={value}" for key, value in wanted.items()]
        kubectl("create", *_MARK, *data)


def _is_whole(count: int) -> bool:
    """Whether every node runs and is Ready; a test that was killed may have left one stopped, paused or forgotten."""
    running = run("docker", "inspect", "--format={{.State.Status}}", *nodes()).split()
    known = kubectl("get", "nodes", "--output=name").split()
    ready = ("kubectl", "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
    return running == ["running"] * count and len(known) == count and succeeds(*ready, timeout=70)


def _create_network() -> None:
    """kind's network, under a bridge whose name we know, so that its rules and links can be found again."""
    if not succeeds("docker", "network", "inspect", "kind"):
        option = f"com.docker.network.bridge.name={BRIDGE}"
        docker("network", "create", "--driver=bridge", f"--opt={option}", "kind")


def _create(wanted: dict[str, str]) -> None:
    made_here = wanted["image"] == node_image.made_name()
    port = {"containerPort": _NODE_PORT, "hostPort": int(wanted["port"]), "listenAddress": "127.0.0.1"}
    kubelet = {"kind": "KubeletConfiguration", "failCgroupV1": False}
    config = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"disableDefaultCNI": made_here},
        "nodes": [
            {"role": "control-plane", "extraPortMappings": [port], "extraMounts": [_policy_mount()]},
            *[{"role": "worker"}] * int(wanted["workers"]),
        ],
        "kubeadmConfigPatches": [json.dumps(kubelet), json.dumps(_audit())],
    }
    create = ("kind", "create", "cluster", f"--name={NAME}", f"--image={wanted['image']}", "--config=-")
    run(*create, f"--kubeconfig={paths.KUBECONFIG}", stdin=json.dumps(config))


def _policy_mount() -> dict[str, object]:
    return {"hostPath": str(_AUDIT_POLICY), "containerPath": _POLICY_ON_NODE, "readOnly": True}


def _audit() -> dict[str, object]:
    """The API server's arguments for the audit log, and the files of the node that it needs for that."""
    folder = str(PurePosixPath(AUDIT_LOG).parent)
    arguments = {
        "audit-policy-file": _POLICY_ON_NODE,
        "audit-log-path": AUDIT_LOG,
        "audit-log-maxsize": "100",
        "audit-log-maxbackup": "1",
    }
    policy = {"name": "audit-policy", "hostPath": _POLICY_ON_NODE, "mountPath": _POLICY_ON_NODE, "pathType": "File"}
    log = {"name": "audit-log", "hostPath": folder, "mountPath": folder, "pathType": "DirectoryOrCreate"}
    volumes = [policy | {"readOnly": True}, log]
    return {"kind": "ClusterConfiguration", "apiServer": {"extraArgs": arguments, "extraVolumes": volumes}}


def _lay_pod_network() -> None:
    """Each node a ptp subnet of its own podCIDR, and routes to the others' (what kindnet does in published images).

    Not `bridge`: with it, replies of a pod on the same node would bypass the Service's address translation.
    """
    nodes: list[tuple[str, str, str]] = []
    while not nodes or not all(subnet for _, subnet, _ in nodes):
        nodes = [
            (
                item["metadata"]["name"],
                item["spec"].get("podCIDR", ""),
                next(each["address"] for each in item["status"]["addresses"] if each["type"] == "InternalIP"),
            )
            for item in json.loads(kubectl("get", "nodes", "--output=json"))["items"]
        ]
    for name, subnet, _ in nodes:
        for other, other_subnet, address in nodes:
            if other != name:
                docker("exec", name, "ip", "route", "replace", other_subnet, "via", address)
        file = "/etc/cni/net.d/10-ptp.conflist"
        docker("exec", "--interactive", name, "tee", file, stdin=json.dumps(_pod_network(subnet)))


def _pod_network(subnet: str) -> dict[str, object]:
    ipam = {"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}]}
    plugins = [
        {"type": "ptp", "ipMasq": True, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return {"cniVersion": "1.0.0", "name": "ptp", "plugins": plugins}


def delete() -> None:
    """Remove the cluster, whatever state it is in."""
    with step("remove the cluster"):
        run("kind", "delete", "cluster", f"--name={NAME}", f"--kubeconfig={paths.KUBECONFIG}")
        paths.KUBECONFIG.unlink(missing_ok=True)
        if not is_private():
            succeeds("docker", "network", "rm", "kind")  # refused while another cluster of kind is in it


def _ensure_kubectl() -> None:
    """Unless there is a kubectl, compiled here or the caller's, put the one out of the node on our PATH."""
    if succeeds("kubectl", "version", "--client"):
        return
    if sys.platform != "linux":
        raise Stop("The program kubectl is missing, and that of the node runs on Linux only: install it.")
    with paths.scratch() as folder:
        docker("cp", f"{CONTROL_PLANE}:/usr/bin/kubectl", folder / "kubectl")
        kept = paths.PROGRAMS / f"kubectl-{paths.digest(pins.NODE_IMAGE)}"
        paths.PROGRAMS.mkdir(parents=True, exist_ok=True)
        (folder / "kubectl").rename(kept)
    binaries.link("kubectl", kept)
