"""Resources, pods and facts for table tests: say what matters, leave out the rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_container_job.decision import Decision
from airflow_container_job.facts import DagRun, Facts
from airflow_container_job.job import ANNOTATION_DECISION, FINALIZER, Job, parse

UID = "6f1c3b52-0c3b-4c6f-9d1c-2f6f2b1f0a11"
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
DECIDED = datetime(2026, 11, 22, 11, 58, 0, tzinfo=UTC)
SPEC: dict[str, Any] = {"image": "busybox:1.35", "command": ["true"]}


def run_id(generation: int = 1) -> str:
    return f"acj-{UID}-{generation}"


def job(
    *,
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    decided: int | None = 1,
    decided_spec: dict[str, Any] | None = None,
    generation: int = 1,
    held: bool = True,
    deleted: str | None = None,
    about: dict[str, Any] | None = None,
) -> Job:
    spec = SPEC if spec is None else spec
    annotations = {}
    if decided is not None:
        of = spec if decided_spec is None else decided_spec
        decision = Decision.of(UID, decided, of, of.get("dagId", "container_job"), DECIDED)
        annotations[ANNOTATION_DECISION] = decision.dump()
    meta = {
        "namespace": "team-a",
        "name": "hello",
        "uid": UID,
        "generation": generation,
        "resourceVersion": "100",
        "finalizers": [FINALIZER] if held else [],
        "annotations": annotations,
        "deletionTimestamp": deleted,
        **(about or {}),
    }
    return parse({"metadata": meta, "spec": spec, "status": status or {}})


def body_of(resource: Job) -> dict[str, Any]:
    """The object as the API server would send it."""
    assert resource.decision is not None
    meta = {
        "namespace": resource.namespace,
        "name": resource.name,
        "uid": resource.uid,
        "generation": resource.generation,
        "resourceVersion": resource.resource_version,
        "finalizers": list(resource.finalizers),
        "annotations": {ANNOTATION_DECISION: resource.decision.dump()},
    }
    return {"metadata": meta, "spec": dict(resource.spec), "status": dict(resource.status)}


def recorded(phase: str, reason: str, *, generation: int = 1, state: str | None = "queued") -> dict[str, Any]:
    status = {"phase": phase, "reason": reason, "dagRunId": run_id(generation), "observedGeneration": generation}
    return status if state is None else status | {"dagRunState": state}


def facts(state: str | None = None, *pods: dict[str, Any], gone: bool = False) -> Facts:
    known: dict[str, Mapping[str, Any]] = {pod["metadata"]["uid"]: pod for pod in pods}
    run = None if state is None else DagRun(run_id(), state)
    return Facts(turn=True, run=run, pods=known, gone=set(known) if gone else set())


def pod(
    phase: str = "Running",
    *,
    name: str | None = None,
    deletion: str | None = None,
    state: dict[str, Any] | None = None,
    attempt: int = 1,
    generation: int = 1,
    conditions: list[dict[str, Any]] | None = None,
    reason: str | None = None,
    earlier: str = "[]",
) -> dict[str, Any]:
    name = name or f"hello-abc-{attempt}"
    status: dict[str, Any] = {"phase": phase, "conditions": conditions or []}
    if state is not None:
        status["containerStatuses"] = [{"name": "base", "state": state}]
    if reason is not None:
        status["reason"] = reason
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-of-{name}",
            "namespace": "team-a",
            "creationTimestamp": f"2026-11-22T11:58:0{attempt}Z",
            "labels": {"acj.dev/job-uid": UID, "acj.dev/attempt": str(attempt)},
            "annotations": {"acj.dev/dag-run-id": run_id(generation), "acj.dev/attempts": earlier},
            "ownerReferences": [{"uid": UID}],
            **({"deletionTimestamp": deletion} if deletion else {}),
        },
        "status": status,
    }


def running() -> dict[str, Any]:
    return pod(state={"running": {"startedAt": "2026-11-22T11:59:00Z"}})


def ended(code: int, message: str = "", reason: str | None = None, at: str = "2026-11-22T11:59:30Z") -> dict[str, Any]:
    terminated = {
        "exitCode": code,
        "reason": reason or ("Error" if code else "Completed"),
        "message": message,
        "startedAt": "2026-11-22T11:59:00Z",
        "finishedAt": at,
    }
    return pod("Failed" if code else "Succeeded", state={"terminated": terminated})
