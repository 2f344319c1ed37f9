"""Pods that run for ever and nowhere: as the DAG side makes them, with the status a kubelet would write.

Used by `resources` for those that are live. No scheduler takes them, so they cost the machine nothing; the operator
sees them as it sees any other.
"""

from __future__ import annotations

from datetime import UTC, datetime

from bench.alone.api_server import ApiServer, Json
from dynamic_pod import contract
from dynamic_pod.manifest import Identity, build, merge


async def run_pod(api: ApiServer, namespace: str, run: Json) -> Json:
    """Make the pod of this run, and let its container run; returns it."""
    identity = Identity(run["dag_id"], run["dag_run_id"], contract.TASK_ID, -1, 1, run["dag_run_id"])
    manifest = build(merge({}, run["conf"]), identity, 1)
    manifest["spec"] |= {"schedulerName": "none", "serviceAccountName": "pods"}
    path = f"/api/v1/namespaces/{namespace}/pods"
    pod = await api.send("POST", path, manifest)
    return await api.send("PUT", f"{path}/{pod['metadata']['name']}/status", pod | {"status": _running(pod)})


def _running(pod: Json) -> Json:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    container = {
        "name": contract.CONTAINER,
        "image": pod["spec"]["containers"][0]["image"],
        "imageID": f"docker.io/library/busybox@sha256:{'0' * 64}",
        "containerID": f"containerd://{'0' * 64}",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now}},
        "lastState": {},
    }
    return {
        "phase": "Running",
        "startTime": now,
        "hostIP": "10.0.0.1",
        "podIP": "10.0.1.1",
        "podIPs": [{"ip": "10.0.1.1"}],
        "qosClass": "BestEffort",
        "conditions": [
            {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": now} for kind in told
        ],
        "containerStatuses": [container],
    }
