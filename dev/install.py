"""Airflow, the operator and the resource's definition put into the cluster, and waited for until they answer.

Works the same on a kind cluster of ours and on the current context (CLUSTER=current). Passwords and keys are generated
once and kept in Secrets; applying again changes nothing that has not changed.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from dev import airflow, credentials, paths
from dev.errors import CommandFailed, Stop
from dev.images import Images
from dev.progress import step
from dev.run import apply, kubectl

_OVERLAYS: Final = paths.CHECKOUT / "manifests/overlays"
DEVELOPMENT: Final = "development"
POSTGRES: Final = "postgres"
"""Overlays: what `make up` brings up, and the same with Airflow on PostgreSQL."""

_NAMESPACES: Final = ("airflow", "airflow-container-job")
_DEFAULT_URL: Final = "http://127.0.0.1:8080"
"""Where the manifests say that people reach Airflow."""

_PATIENCE: Final = 600
_CRASHES: Final = 3


def install(images: Images, overlay: str = DEVELOPMENT) -> None:
    """Apply everything, with `images` in place of those that the manifests name, and wait until it answers."""
    with step("install Airflow and the operator"):
        manifests = kubectl("kustomize", _OVERLAYS / overlay)
        for name, image in images.items():
            manifests = manifests.replace(f"image: {name}\n", f"image: {image}\n")
        manifests = manifests.replace(_DEFAULT_URL, airflow.url())
        for namespace in _NAMESPACES:
            apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
        credentials.ensure()
        apply(manifests, "--selector=app.kubernetes.io/component!=operator")
    with step("Airflow to be up") as note:
        _wait_for_rollout("airflow", "airflow", note)
    with step("the DAG to be loaded") as note, airflow.reachable() as connection:
        airflow.wait_for_dag(connection, note)
    with step("the operator to be up") as note:
        apply(manifests)  # now: started before Airflow answers, it would pause for half a minute between its questions
        _wait_for_rollout("airflow-container-job", "operator", note)


def _wait_for_rollout(namespace: str, name: str, note: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not _rolled_out(namespace, name):
        pods = json.loads(kubectl("get", "pods", f"--namespace={namespace}", "--output=json"))["items"]
        waiting = [each for pod in pods for each in _waiting(pod)]
        note(", ".join(f"{container} {reason}" for container, reason, _ in waiting) or "no pod yet")
        for container, reason, restarts in waiting:
            if reason in ("ErrImagePull", "ImagePullBackOff"):
                raise Stop(
                    f"The image of {container} can neither be pulled nor is it on the node: load it there first."
                )
            if (reason == "CrashLoopBackOff" and restarts > _CRASHES) or time.monotonic() > deadline:
                look = f"kubectl -n {namespace} logs deployment/{name} -c {container} --previous"
                raise Stop(f"{name} does not come up ({container}: {reason}). Look at `{look}`.")


def _rolled_out(namespace: str, name: str) -> bool:
    try:
        kubectl("rollout", "status", f"deployment/{name}", f"--namespace={namespace}", "--timeout=1s")
    except CommandFailed:
        return False
    return True


def _waiting(pod: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Containers that are not ready: name, why, and how often they were started again."""
    status = pod["status"]
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    if conditions.get("PodScheduled", {}).get("status") == "False":
        return [(pod["metadata"]["name"], conditions["PodScheduled"].get("message", "not scheduled"), 0)]
    return [
        (each["name"], next(iter(each["state"].values())).get("reason", "starts"), each["restartCount"])
        for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        if not each["ready"] and "terminated" not in each["state"]
    ]
