"""What is left of a finished job: its pods by spec.podRetention, itself by spec.ttlSecondsAfterFinished."""

from __future__ import annotations

from typing import Any, Final

import pytest

from airflow_container_job.upkeep import CLEAN_AFTER
from tests.support.cluster import manifest
from tests.support.wait import stays, until
from tests.support.world import ENDED, World, conditions, now


def ended(world: World, name: str, *, exit_code: int = 0, at: str = ENDED, **spec: Any) -> str:
    """Bring a job to its end, its pod still there; returns the pod. It ended long ago, unless `at` says when."""
    run = world.triggered(name, **spec)
    pod = world.add_pod(name)
    world.pod_ends(pod, exit_code, '{"a": 1}' if exit_code == 0 else "words", at=at)
    world.airflow.finish(run, "failed" if exit_code else "success")
    world.wait(name, "Failed" if exit_code else "Succeeded")
    return pod


# ---- podRetention

RETAINED = [
    (None, 0, False),
    ("Delete", 0, False),
    ("Delete", 1, False),
    ("KeepFailed", 0, False),
    ("KeepFailed", 1, True),
    ("Keep", 0, True),
    ("Keep", 1, True),
]
"""`podRetention`, exit code, and whether the pod is kept."""

SOON: Final = CLEAN_AFTER.total_seconds() + 30
"""Until then what Airflow left is cleaned away, on a slow machine too."""


@pytest.fixture(scope="module")
def left(world: World) -> dict[str, str]:
    """Pod by job, such as a triggerer leaves that went away for good. They end together: one wait is enough for all."""
    cases = {_named(retention, code): (retention, code) for retention, code, _ in RETAINED}
    pods = {
        name: ended(world, name, exit_code=code, **({"podRetention": retention} if retention else {}))
        for name, (retention, code) in cases.items()
    }
    return pods | {"kept": ended(world, "kept", podRetention="Keep")}


def _named(retention: str | None, exit_code: int) -> str:
    return f"{str(retention).lower()}-{exit_code}"


@pytest.mark.usefixtures("left")  # they ended before, so that once these are gone theirs would be
def test_pods_of_earlier_attempts_go_too(world: World) -> None:
    run = world.triggered("attempts", backoffLimit=1)
    first = world.add_pod("attempts")
    world.pod_ends(first, exit_code=1)
    second = world.add_pod("attempts", 2)
    world.pod_ends(second)
    world.airflow.finish(run, "success")
    world.wait("attempts", "Succeeded")
    until("both are deleted", lambda: not world.has_pod(first) and not world.has_pod(second), SOON)


@pytest.mark.parametrize(("retention", "exit_code", "kept"), RETAINED)
def test_pods_that_airflow_left(
    world: World, left: dict[str, str], retention: str | None, exit_code: int, kept: bool
) -> None:
    name = _named(retention, exit_code)
    if kept:
        stays("the pod is kept", lambda: world.has_pod(left[name]), seconds=3)
    else:
        until("the pod is deleted", lambda: not world.has_pod(left[name]), SOON)
    assert world.namespace.status(name)["phase"] == ("Failed" if exit_code else "Succeeded")


def test_kept_until_somebody_changes_that(world: World, left: dict[str, str]) -> None:
    assert world.has_pod(left["kept"])
    world.namespace.patch("kept", podRetention="Delete")
    until("the pod is deleted", lambda: not world.has_pod(left["kept"]), SOON)
    assert len(world.runs_of("kept")) == 1


def test_airflow_comes_first(world: World) -> None:
    """For half a minute after the end the pod is Airflow's to delete: its log may still be read."""
    pod = ended(world, "fresh", at=now())
    stays("the pod is left alone", lambda: world.has_pod(pod), seconds=5)


# ---- ttlSecondsAfterFinished


@pytest.mark.parametrize(("ttl", "exit_code"), [(0, 0), (2, 0), (2, 1)])
def test_the_resource_goes_with_its_pods(world: World, ttl: int, exit_code: int) -> None:
    name = f"gone-{ttl}-{exit_code}"
    run = world.triggered(name, ttlSecondsAfterFinished=ttl, podRetention="Keep")
    pod = world.add_pod(name)
    world.pod_ends(pod, exit_code, at=now())
    world.airflow.finish(run, "failed" if exit_code else "success")
    world.wait_gone(name)
    until("the pod is gone", lambda: not world.has_pod(pod))
    assert world.run_state(run) == ("failed" if exit_code else "success")


def test_it_stays_until_then(world: World) -> None:
    ended(world, "lasting", at=now(), ttlSecondsAfterFinished=3600)
    stays("it is there", lambda: world.namespace.find_job("lasting") is not None, seconds=3)
    world.namespace.patch("lasting", ttlSecondsAfterFinished=1)
    world.wait_gone("lasting")


def test_what_has_not_finished_stays(world: World) -> None:
    world.triggered("going", ttlSecondsAfterFinished=0)
    world.apply("held", suspend=True, ttlSecondsAfterFinished=0)
    world.wait("held", "Suspended")
    stays("both are there", lambda: all(map(world.namespace.find_job, ("going", "held"))), seconds=3)


TRACKED = {
    "argo-annotation": {"annotations": {"argocd.argoproj.io/tracking-id": "app:acj.dev/AirflowContainerJob:ns/n"}},
    "argo-label": {"labels": {"argocd.argoproj.io/instance": "app"}},
    "instance-label": {"labels": {"app.kubernetes.io/instance": "app"}},
    "flux-kustomize": {"labels": {"kustomize.toolkit.fluxcd.io/name": "app"}},
    "flux-helm": {"labels": {"helm.toolkit.fluxcd.io/name": "app"}},
}


@pytest.mark.parametrize("name", TRACKED)
def test_what_a_gitops_tool_tracks_stays_small(world: World, name: str) -> None:
    """Deleted, it would be applied and run again, for ever."""
    body = manifest(name, ttlSecondsAfterFinished=1, podRetention="Keep")
    body["metadata"] |= TRACKED[name]
    world.namespace.apply(body)
    world.wait(name, "Queued")
    run = world.run_id(name)
    pod = world.add_pod(name)
    world.pod_ends(pod, 0, '{"a": 1}')
    world.airflow.finish(run, "success")
    until("it has expired", lambda: "Expired" in conditions(world.namespace.status(name)))
    status = world.namespace.status(name)
    assert (status["phase"], status["reason"]) == ("Succeeded", "Completed")
    assert conditions(status) == {"Triggered": "True", "Finished": "True", "Succeeded": "True", "Expired": "True"}
    assert not {"result", "attempts", "message", "podName"} & status.keys()
    until("the pod is gone", lambda: not world.has_pod(pod))
    before = world.namespace.job(name)
    stays("nothing is written", lambda: world.namespace.job(name) == before, seconds=3)


def test_the_expired_runs_again_when_asked(world: World) -> None:
    body = manifest("phoenix", ttlSecondsAfterFinished=0)
    body["metadata"]["labels"] = {"app.kubernetes.io/instance": "app"}
    world.namespace.apply(body)
    world.wait("phoenix", "Queued")
    world.airflow.finish(world.run_id("phoenix"), "success")
    until("it has expired", lambda: "Expired" in conditions(world.namespace.status("phoenix")))
    world.namespace.patch("phoenix", rerun="again", ttlSecondsAfterFinished=3600)
    until("there is a second run", lambda: len(world.runs_of("phoenix")) == 2)
    status = world.wait("phoenix", "Queued", "Starting")
    assert "Expired" not in conditions(status)
    world.airflow.finish(world.run_id("phoenix"), "success")
    status = world.wait("phoenix", "Succeeded")
    assert [one["number"] for one in status["runs"]] == [1, 2]
    stays("it stays", lambda: "Expired" not in conditions(world.namespace.status("phoenix")), seconds=2)
