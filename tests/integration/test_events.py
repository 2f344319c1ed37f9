"""Kubernetes events: one at each turn off the straight way, none for what stays, and none again after a restart."""

from __future__ import annotations

import json

from tests.support.wait import stays, until
from tests.support.world import World, now


def test_a_job_that_succeeds_is_told_by_its_status_alone(world: World) -> None:
    run = world.triggered("good")
    pod = world.add_pod("good")
    world.pod_runs(pod)
    world.wait("good", "Running")
    world.pod_ends(pod)
    world.airflow.finish(run, "success")
    world.wait("good", "Succeeded")
    until("the finalizer is gone", lambda: world.released("good"))
    assert world.events("good") == []


def test_a_job_that_is_tried_twice(world: World) -> None:
    run = world.triggered("twice", backoffLimit=1)
    first = world.add_pod("twice")
    world.pod_runs(first)
    world.wait("twice", "Running")
    world.pod_ends(first, exit_code=3, at=now())
    world.wait("twice", "Queued", "Retrying")
    failed = {"number": 1, "podName": first, "reason": "Error", "exitCode": 3, "cause": "Failure"}
    second = world.add_pod("twice", 2, **{"acj.dev/attempts": json.dumps([failed])})
    world.pod_goes(first)
    world.pod_runs(second)
    world.wait("twice", "Running")
    world.pod_ends(second, exit_code=4, at=now())
    world.airflow.set_xcom(
        run, "outcome", {"attempts": [failed, failed | {"number": 2, "podName": second, "exitCode": 4}]}
    )
    world.airflow.finish(run, "failed")
    world.wait("twice", "Failed")
    until("all are there", lambda: len(world.events("twice")) >= 2)
    until("it is told", lambda: world.events("twice") == ["AttemptFailed", "Error"])
    seen = world.namespace.kubectl("describe", "acj", "twice").stdout
    assert "Attempt 1 ended: Error (exit code 3)" in seen
    assert "airflow-container-job" in seen


def test_what_is_waited_for_is_told_once(world: World) -> None:
    world.triggered("waits")
    pod = world.add_pod("waits")
    world.pod_waits(pod, "ErrImagePull", "not found")
    world.wait("waits", "Queued", "ImagePullBackOff")
    until("it is told", lambda: world.events("waits") == ["ImagePullBackOff"])
    world.pod_waits(pod, "ImagePullBackOff", "Back-off 10s")
    world.pod_waits(pod, "ErrImagePull", "still not found")
    stays("no more is told", lambda: len(world.events("waits")) == 1, seconds=3)


def test_an_outage_is_told_once(world: World) -> None:
    with world.airflow.away():
        world.apply("outage")
        world.wait("outage", "Pending", "AirflowUnreachable")
        stays("no more is told", lambda: world.events("outage") in ([], ["AirflowUnreachable"]), seconds=6)
    world.wait("outage", "Queued")
    stays("nothing is told of what is well", lambda: world.events("outage") == ["AirflowUnreachable"], seconds=2)


def test_a_restart_tells_nothing_again(world: World) -> None:
    run = world.triggered("restarted")
    world.pod_waits(world.add_pod("restarted"), "ErrImagePull", "not found")
    world.finished("finished", "failed")
    until("the first is told", lambda: world.events("restarted") == ["ImagePullBackOff"])
    until("the end is told", lambda: world.events("finished") == ["MarkedFailed"])
    world.operator.kill()
    world.operator.start()
    world.triggered("after")
    stays("nothing again", lambda: world.events("restarted") == ["ImagePullBackOff"], seconds=3)
    until("it is told", lambda: world.events("finished") == ["MarkedFailed"])
    world.airflow.finish(run, "success")
    world.wait("restarted", "Succeeded")
    until("the end is told", lambda: len(world.events("restarted")) == 2)
