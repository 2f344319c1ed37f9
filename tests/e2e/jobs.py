"""What the end-to-end tests say about jobs: a shell script as a job, and waiting for where it gets to."""

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
    found = namespace.cluster.read("-n", namespace.name, "pods")
    return list(found["items"]) if found else []
