"""Airflow, the operator and the resource's definition put into the cluster, and waited for until they answer.

Works the same on a kind cluster of ours and on the current context (CLUSTER=current). Passwords and keys are generated
once and kept in Secrets; applying again changes nothing that has not changed.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dev import airflow, credentials, paths, settings
from dev.errors import CommandFailed, Stop
from dev.images import Images
from dev.progress import step
from dev.run import MANAGER, apply, kubectl

_OVERLAYS: Final = paths.CHECKOUT / "manifests/overlays"
DEVELOPMENT: Final = "development"
POSTGRES: Final = "postgres"
PRODUCTION_LIKE: Final = "production-like"
"""Overlays: what `make up` brings up, the same with Airflow on PostgreSQL, and with Airflow as production has it."""

_NAMESPACES: Final = ("airflow", "airflow-container-job")
_DEFAULT_URL: Final = "http://127.0.0.1:8080"
"""Where the manifests say that people reach Airflow."""

_PARTS: Final = "deployments,services,configmaps,persistentvolumeclaims,persistentvolumes"
"""What an overlay may have in Airflow's namespace, or for it, that another one has not."""

_PATIENCE: Final = 600
_CRASHES: Final = 3


def install(images: Images, overlay: str = DEVELOPMENT) -> None:
    """Apply everything, with `images` in place of those that the manifests name, and wait until it answers."""
    with step("install Airflow and the operator"):
        manifests = _fitted(kubectl("kustomize", _OVERLAYS / overlay), images, airflow.url())
        if settings.current_cluster():
            _refuse_namespaces_of_others()
            manifests = _without_node_port(manifests)
        for namespace in _NAMESPACES:
            # With a field of ours, by which one that an ended run has left is told from those of others.
            metadata = {"name": namespace, "labels": {"app.kubernetes.io/managed-by": MANAGER}}
            apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
        credentials.ensure()
        _remove_what_is_not_in(manifests)
        apply(manifests, "--selector=app.kubernetes.io/component!=operator")
    with step("Airflow to be up") as note:
        _wait_for_rollout("airflow", note)
    with step("the DAG to be loaded") as note, airflow.reachable() as connection:
        airflow.wait_for_dag(connection, note)
    with step("the operator to be up") as note:
        apply(manifests)  # now: started before Airflow answers, it would pause for half a minute between its questions
        _wait_for_rollout("airflow-container-job", note)


def _fitted(manifests: str, images: Images, url: str) -> str:
    """The manifests with what is known only here: the images, and where people reach Airflow."""
    for name, image in images.items():
        manifests = manifests.replace(f"image: {name}\n", f"image: {image}\n")
    if url != _DEFAULT_URL:  # kustomize has named the settings by their content, so that pods roll when that changes
        manifests = re.sub(r"\boperator-settings-\w+", rf"\g<0>-{url.rpartition(':')[2]}", manifests)
    return manifests.replace(_DEFAULT_URL, url)


def _without_node_port(manifests: str) -> str:
    """In a cluster that is not ours, its nodes' ports are not ours to open; people reach Airflow by a port-forward."""
    manifests = re.sub(r"^ *nodePort: \d+\n", "", manifests, flags=re.MULTILINE)
    return re.sub(r"^( *type:) NodePort$", r"\1 ClusterIP", manifests, flags=re.MULTILINE)


def _refuse_namespaces_of_others() -> None:
    """Stop before an Airflow or an operator that somebody else has installed is overwritten."""
    for namespace in _NAMESPACES:
        options = ("--ignore-not-found", "--show-managed-fields", "--output=json")
        found = kubectl("get", "namespace", namespace, *options)
        if found and not _is_ours(json.loads(found)):
            raise Stop(
                f"The namespace {namespace} of the current cluster was not made by `make up`, which would overwrite "
                "what is in it. For an Airflow that is there already, see docs/how-to/install.md."
            )


def _remove_what_is_not_in(manifests: str) -> None:
    """Remove what another overlay has left for Airflow, its pods before all: two Airflows would share one Service."""
    kept = kubectl("get", "--filename=-", "--ignore-not-found", "--output=name", stdin=manifests).split()
    options = ("--namespace=airflow", "--show-managed-fields", "--output=json")
    there = json.loads(kubectl("get", _PARTS, *options))["items"]
    names = [_name(each) for each in there if _is_ours(each)]
    others = {name for name in names if name not in kept}
    deployments = {name for name in others if name.startswith("deployment.")}
    for batch in (deployments, others - deployments):
        if batch:
            kubectl("delete", *batch, "--namespace=airflow", "--cascade=foreground")


def _name(thing: Mapping[str, Any]) -> str:
    """As `kubectl get --output=name` has it."""
    group = thing["apiVersion"].rpartition("/")[0].partition("/")[0]
    return f"{thing['kind'].lower()}{'.' if group else ''}{group}/{thing['metadata']['name']}"


def _is_ours(thing: Mapping[str, Any]) -> bool:
    return any(each["manager"] == MANAGER for each in thing["metadata"].get("managedFields", ()))


def _wait_for_rollout(namespace: str, note: Callable[[str], None]) -> None:
    """Wait for all Deployments of a namespace."""
    deadline = time.monotonic() + _PATIENCE
    while not _rolled_out(namespace):
        pods = json.loads(kubectl("get", "pods", f"--namespace={namespace}", "--output=json"))["items"]
        waiting = [each for pod in pods for each in _waiting(pod)]
        note(", ".join(f"{container} {reason}" for _, container, reason, _ in waiting) or "no pod yet")
        if why := _hopeless(namespace, waiting, late=time.monotonic() > deadline):
            raise Stop(why)


def _hopeless(namespace: str, waiting: Sequence[tuple[str, str, str, int]], *, late: bool) -> str:
    """Why waiting any longer is no use; empty while it may be."""
    for pod, container, reason, restarts in waiting:
        if reason in ("ErrImagePull", "ImagePullBackOff"):
            return f"The image of {container} can neither be pulled nor is it on the node: load it there first."
        if late or (reason == "CrashLoopBackOff" and restarts > _CRASHES):
            look = f"kubectl -n {namespace} logs {pod} -c {container} --previous"
            return f"{pod} does not come up ({container}: {reason}). Look at `{look}`."
    look = f"kubectl -n {namespace} describe deployments,replicasets,pods"
    return f"After {_PATIENCE} s not everything in {namespace} is up. Look at `{look}`." if late else ""


def _rolled_out(namespace: str) -> bool:
    try:
        kubectl("rollout", "status", "deployment", f"--namespace={namespace}", "--timeout=1s")
    except CommandFailed:
        return False
    return True


def _waiting(pod: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """Containers that are not ready: the pod's name, their own, why, and how often they were started again."""
    name, status = pod["metadata"]["name"], pod["status"]
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    if conditions.get("PodScheduled", {}).get("status") == "False":
        return [(name, name, conditions["PodScheduled"].get("message", "not scheduled"), 0)]
    return [
        (name, each["name"], next(iter(each["state"].values())).get("reason", "starts"), each["restartCount"])
        for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        if not each["ready"] and "terminated" not in each["state"]
    ]
