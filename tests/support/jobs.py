"""What tests with real pods say about jobs: a shell script as a job, and waiting for where it gets to."""

from __future__ import annotations

from typing import Any

from tests.support.cluster import Json, Namespace, manifest
from tests.support.wait import until


def job(name: str, script: str, **spec: Any) -> Json:
    """An AirflowContainerJob that runs a shell script."""
    return manifest(name, **{"command": ["sh", "-c"], "args": [script]} | spec)


def until_phase(namespace: Namespace, name: str, *phases: str, reason: str | None = None, seconds: float = 90) -> Json:
    """Wait until a job is in one of these phases, and has this reason where one is given; its status."""
    seen: Json = {}

    def arrived() -> bool:
        seen.clear()
        seen.update(namespace.status(name))
        return seen.get("phase") in phases and reason in (None, seen.get("reason"))

    try:
        until(f"{name} is {' or '.join(phases)}", arrived, seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}; its status is {seen}") from None
    return seen


def ended(namespace: Namespace, name: str, seconds: float = 90) -> Json:
    """Wait until a job is over, either way; its status."""
    return until_phase(namespace, name, "Succeeded", "Failed", seconds=seconds)


def pods(namespace: Namespace) -> list[Json]:
    """The pods of a namespace, ended or not."""
    return namespace.items("pods")


def pod(namespace: Namespace, name: str) -> Json:
    """The pod that a job's status names."""
    found = namespace.item("pods", namespace.status(name)["podName"])
    assert found is not None, f"the pod of {name} is gone"
    return found


def condition(status: Json, kind: str) -> Json:
    """A condition of a status; empty when it is not there."""
    return next((one for one in status.get("conditions", ()) if one["type"] == kind), {})


def events(namespace: Namespace, name: str) -> set[str]:
    """The reasons of the Kubernetes events about a job."""
    about = f"involvedObject.kind=AirflowContainerJob,involvedObject.name={name}"
    return {str(item["reason"]) for item in namespace.items("events", fieldSelector=about)}


def uid(namespace: Namespace, name: str) -> str:
    """A job's uid, which its DagRuns' names hold."""
    return str(namespace.job(name)["metadata"]["uid"])


def pods_of(namespace: Namespace, name: str) -> list[Json]:
    """The pods of a job, ended or not."""
    owner = uid(namespace, name)
    return [one for one in pods(namespace) if one["metadata"]["labels"].get("acj.dev/job-uid") == owner]


def attempts(status: Json) -> list[tuple[Any, ...]]:
    """What tells the attempts of a status apart: reason, exit code and cause of each."""
    return [(one.get("reason"), one.get("exitCode"), one.get("cause")) for one in status.get("attempts", ())]


ATTEMPT = [{"name": "ATTEMPT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['acj.dev/attempt']"}}}]
"""Environment of a container that shall know which attempt it is."""

GRACE = {"terminationGracePeriodSeconds": 1}
"""For containers that do not listen to SIGTERM."""
