"""Resources and pods for the plugin's tests, and an API server's answers: say what matters, leave out the rest."""

from __future__ import annotations

from typing import Any

from dynamic_pod import contract
from kubectl_acj.job import Json, manifest
from tests.unit.plugin.server import OVER, Script

UID = "6f1c3b52-0c3b-4c6f-9d1c-2f6f2b1f0a11"
RUN = f"acj-{UID}-1"
CREATED = "2026-11-22T12:00:00Z"
STARTED = {"running": {"startedAt": "2026-11-22T12:00:01Z"}}

JOBS = "/apis/acj.dev/v1alpha1/namespaces/team-a/airflowcontainerjobs"
PODS = "/api/v1/namespaces/team-a/pods"


def job(
    phase: str | None = None, *, name: str = "hello", uid: str = UID, seen: int = 1, generation: int = 1, **status: Any
) -> Json:
    """A job whose operator has seen generation `seen` of `generation`."""
    made = manifest(name, "team-a", {"image": "busybox:1.35"})
    made["metadata"] |= {"uid": uid, "generation": generation, "creationTimestamp": CREATED, "resourceVersion": "7"}
    if phase:
        made["status"] = {"phase": phase, "observedGeneration": seen, "dagRunId": RUN} | status
    return made


def pod(name: str, *, run: str = RUN, created: str = CREATED, state: Json | None = None) -> Json:
    """A pod of the job, its main container in this state."""
    annotations = {contract.ANNOTATION_DAG_RUN_ID: run}
    containers = [{"name": contract.CONTAINER, "state": state}] if state else []
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": name, "creationTimestamp": created, "annotations": annotations},
        "spec": {"nodeName": "worker"},
        "status": {"containerStatuses": containers},
    }


def version(found: Json, kind: str = "MODIFIED") -> Json:
    """A line of a watch."""
    return {"type": kind, "object": found}


def listed(*found: Json) -> tuple[int, Json]:
    """A list."""
    return 200, {"metadata": {"resourceVersion": "1"}, "items": list(found)}


def serve(server: Script, *versions: Json) -> None:
    """A job with these versions, one after another; the watch stays open then."""
    server.answer(f"GET {JOBS}/hello", (200, versions[0]))
    server.answer(f"GET {JOBS}", listed(versions[0]))
    server.answer(f"WATCH {JOBS}", (200, [*map(version, versions), OVER]))
