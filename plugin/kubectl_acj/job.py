"""What a resource says, as the API server sent it: pure functions over its JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from airflow_container_job.job import GROUP, KIND, VERSION
from airflow_container_job.reasons import TERMINAL

Json = dict[str, Any]

TYPE_NAME: Final = f"{KIND.lower()}.{GROUP}"
"""What `kubectl -o name` writes before a name."""


def status(job: Json) -> Json:
    """The status, as far as it speaks of the spec as it is now; else empty.

    After `kubectl apply`, `stop` and `rerun` the old status stands until the operator has seen the new spec.
    """
    found: Json = job.get("status") or {}
    return found if found.get("observedGeneration", 0) >= job["metadata"]["generation"] else {}


def over(job: Json) -> bool:
    """Whether the job has come to an end, and no other run is asked for."""
    return status(job).get("phase") in TERMINAL


def succeeded(job: Json) -> bool:
    """Whether that end is a good one."""
    return status(job).get("phase") == "Succeeded"


def has_run(job: Json) -> bool:
    """Whether its container runs, or has run in the current run."""
    return status(job).get("phase") == "Running" or "startTime" in status(job)


def suspended(job: Json) -> bool:
    """Whether it is held back, and nothing of it runs any more."""
    found = status(job)
    return found.get("phase") == found.get("reason") == "Suspended"


GOALS: Final[Mapping[str, Callable[[Json], bool]]] = {"finished": over, "running": has_run, "suspended": suspended}
"""What can be waited for. An end that comes first also ends the wait."""


def state(job: Json) -> str:
    """Phase and reason in few words, such as `Failed: Error, exit code 3`."""
    found = status(job)
    if "phase" not in found:
        return "not seen by the operator yet"
    text = str(found["phase"])
    if found.get("reason") not in (None, found["phase"]):
        text += f": {found['reason']}"
    if found.get("exitCode"):
        text += f", exit code {found['exitCode']}"
    return text


def started(pod: Json, container: str) -> bool:
    """Whether this container of a pod runs or has run, so that there is a log."""
    containers = pod.get("status", {}).get("containerStatuses") or ()
    states = [one.get("state") or {} for one in containers if one["name"] == container]
    return any(one.get("running") or (one.get("terminated") or {}).get("containerID") for one in states)


def manifest(name: str, namespace: str, spec: Json) -> Json:
    """A resource of this name."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": metadata, "spec": spec}
