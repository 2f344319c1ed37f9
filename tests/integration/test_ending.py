"""Held back, stopped, given up: the run, the pod and the status agree."""

from __future__ import annotations

import pytest

from tests.support.wait import stays, until
from tests.support.world import World, conditions


def running(world: World, name: str) -> tuple[str, str]:
    """Bring a job to where its container runs; returns its run and its pod."""
    run = world.triggered(name)
    pod = world.add_pod(name)
    world.pod_runs(pod)
    world.wait(name, "Running")
    return run, pod


# ---- suspend


def test_suspended_at_birth(world: World) -> None:
    world.apply("born-suspended", suspend=True)
    status = world.wait("born-suspended", "Suspended")
    assert conditions(status)["Suspended"] == "True"
    stays("no run", lambda: world.runs_of("born-suspended") == [], seconds=2)
    world.namespace.patch("born-suspended", suspend=False)
    status = world.wait("born-suspended", "Queued")
    assert len(world.runs_of("born-suspended")) == 1
    assert conditions(status)["Suspended"] == "False"


def test_suspended_while_running_and_resumed(world: World) -> None:
    first, pod = running(world, "paused")
    world.namespace.patch("paused", suspend=True)
    world.wait("paused", "Suspended", "Suspended")
    assert world.run_state(first) == "failed"
    assert not world.has_pod(pod)
    until("the finalizer is gone", lambda: world.released("paused"))

    world.namespace.patch("paused", suspend=False)
    world.wait("paused", "Queued")
    second = world.run_id("paused")
    assert second != first
    assert [run["dag_run_id"] for run in world.runs_of("paused")] == [first, second]
    world.airflow.finish(second, "success")
    status = world.wait("paused", "Succeeded")
    assert [(one["number"], one["phase"]) for one in status["runs"]] == [(1, "Suspended"), (2, "Succeeded")]
    wanted = ["Suspended", *([] if status["reason"] == "Completed" else [status["reason"]])]
    until("it is told", lambda: [one for one in world.events("paused") if one != "Stopping"] == wanted)


def test_what_is_changed_and_suspended_after_its_end_runs_once_more_only_if_it_stays_changed(world: World) -> None:
    first = world.finished("undecided")
    before = world.namespace.status("undecided")
    world.namespace.patch("undecided", suspend=True, image="busybox:1.36")
    suspended = world.wait("undecided", "Suspended", "Suspended")
    stays("it is said once", lambda: world.namespace.status("undecided") == suspended, seconds=1.5)
    world.namespace.patch("undecided", suspend=False, image="busybox:1.35")
    status = world.wait("undecided", "Succeeded")
    stays("nothing runs", lambda: len(world.runs_of("undecided")) == 1, seconds=1.5)
    assert (status["runs"], status["completionTime"]) == (before["runs"], before["completionTime"])
    world.namespace.patch("undecided", suspend=True, image="busybox:1.36")
    world.wait("undecided", "Suspended", "Suspended")
    world.namespace.patch("undecided", suspend=False)
    world.wait("undecided", "Queued")
    assert len(world.runs_of("undecided")) == 2
    assert world.run_id("undecided") != first


def test_suspending_what_has_finished_changes_nothing(world: World) -> None:
    world.finished("over")
    world.namespace.patch("over", suspend=True)
    until("it was looked at", lambda: world.settled("over"))
    stays("it has succeeded", lambda: world.namespace.status("over")["phase"] == "Succeeded", seconds=1.5)
    world.namespace.patch("over", suspend=False)
    until("it was looked at", lambda: world.settled("over"))
    stays("nothing runs", lambda: len(world.runs_of("over")) == 1, seconds=1.5)


# ---- shutdown


def test_shut_down_while_running(world: World) -> None:
    """Unsetting the field runs nothing; a new text in rerun does."""
    run, pod = running(world, "stopped")
    world.namespace.patch("stopped", shutdown="Stop")
    status = world.wait("stopped", "Failed", "Stopped", seconds=20)
    assert world.run_state(run) == "failed"
    assert not world.has_pod(pod)
    assert conditions(status) == {"Triggered": "True", "Finished": "True", "Succeeded": "False"}
    assert "completionTime" in status
    assert "spec.rerun" in status["message"]
    until("it is told", lambda: world.events("stopped")[-1:] == ["Stopped"])
    until("the finalizer is gone", lambda: world.released("stopped"))

    world.namespace.patch("stopped", rerun="again")
    until("it was looked at", lambda: world.settled("stopped"))
    stays("it is shut down", lambda: len(world.runs_of("stopped")) == 1, seconds=1.5)
    world.namespace.patch("stopped", shutdown=None)
    until("there is a second run", lambda: len(world.runs_of("stopped")) == 2)


def test_taking_the_shutdown_back_runs_nothing(world: World) -> None:
    run, _ = running(world, "regretted")
    world.namespace.patch("regretted", shutdown="Stop")
    world.wait("regretted", "Failed", "Stopped")
    world.namespace.patch("regretted", shutdown=None)
    until("it was looked at", lambda: world.settled("regretted"))
    stays("nothing runs", lambda: world.run_id("regretted") == run, seconds=2)
    assert len(world.runs_of("regretted")) == 1


def test_shut_down_at_birth(world: World) -> None:
    """No run: also when it is taken back. What asks for one is a new text in rerun, or a changed spec."""
    world.apply("stillborn", shutdown="Stop")
    status = world.wait("stillborn", "Failed", "Stopped")
    assert conditions(status) == {"Triggered": "False", "Finished": "True", "Succeeded": "False"}
    world.namespace.patch("stillborn", shutdown=None)
    until("it was looked at", lambda: world.settled("stillborn"))
    stays("nothing runs", lambda: world.runs_of("stillborn") == [], seconds=2)
    world.namespace.patch("stillborn", rerun="now")
    world.wait("stillborn", "Queued")
    assert len(world.runs_of("stillborn")) == 1


def test_shut_down_while_suspended(world: World) -> None:
    world.apply("both", suspend=True)
    world.wait("both", "Suspended")
    world.namespace.patch("both", shutdown="Stop")
    world.wait("both", "Failed", "Stopped")
    assert world.runs_of("both") == []


def test_shutting_down_what_has_finished_changes_nothing(world: World) -> None:
    world.finished("done")
    world.namespace.patch("done", shutdown="Stop")
    until("it was looked at", lambda: world.settled("done"))
    stays("it has succeeded", lambda: world.namespace.status("done")["phase"] == "Succeeded", seconds=1.5)


def test_shut_down_while_airflow_is_away(world: World) -> None:
    run, pod = running(world, "unreachable")
    with world.airflow.away():
        world.namespace.patch("unreachable", shutdown="Stop")
        stays("it is not over", lambda: world.namespace.status("unreachable")["phase"] != "Failed", seconds=3)
    world.wait("unreachable", "Failed", "Stopped", seconds=60)
    assert world.run_state(run) == "failed"
    assert not world.has_pod(pod)


# ---- startDeadlineSeconds


def given_up(world: World, name: str, waited_for: str) -> None:
    status = world.wait(name, "Failed", "StartDeadlineExceeded")
    assert waited_for in status["message"]
    assert conditions(status)["Finished"] == "True"
    until("it is told", lambda: world.events(name)[-1:] == ["StartDeadlineExceeded"])


def test_no_pod_in_time(world: World) -> None:
    run = world.triggered("podless", startDeadlineSeconds=2)
    given_up(world, "podless", "Starting")
    assert world.run_state(run) == "failed"
    until("the finalizer is gone", lambda: world.released("podless"))


def test_no_image_in_time(world: World) -> None:
    run = world.triggered("imageless", startDeadlineSeconds=10)
    pod = world.add_pod("imageless")
    world.pod_waits(pod, "ErrImagePull", "no such image")
    given_up(world, "imageless", "ImagePullBackOff")
    assert world.run_state(run) == "failed"
    assert not world.has_pod(pod)


def test_no_airflow_in_time(world: World) -> None:
    """The end is told though Airflow cannot be asked; when it is back, nothing is left there."""
    with world.airflow.away():
        world.apply("waiting", startDeadlineSeconds=3)
        world.wait("waiting", "Pending", "AirflowUnreachable")
        given_up(world, "waiting", "AirflowUnreachable")
    until("the finalizer is gone", lambda: world.released("waiting"), seconds=60)
    assert [run for run in world.runs_of("waiting") if run["state"] != "failed"] == []


def test_no_unpausing_in_time(world: World) -> None:
    world.airflow.dags["container_job"].is_paused = True
    try:
        world.triggered("unpaused", startDeadlineSeconds=12)
        world.wait("unpaused", "Queued", "DagPaused")
        given_up(world, "unpaused", "DagPaused")
    finally:
        world.airflow.dags["container_job"].is_paused = False


def test_a_container_that_runs_has_started_in_time(world: World) -> None:
    world.triggered("punctual", startDeadlineSeconds=8)
    pod = world.add_pod("punctual")
    world.pod_runs(pod)
    world.wait("punctual", "Running")
    stays("it runs", lambda: world.namespace.status("punctual")["phase"] == "Running", seconds=8)


def test_the_time_to_start_counts_anew_for_each_run(world: World) -> None:
    world.finished("patient", startDeadlineSeconds=4)
    world.namespace.patch("patient", rerun="later")
    until("there is a second run", lambda: len(world.runs_of("patient")) == 2)
    world.wait("patient", "Queued", "Starting")
    given_up(world, "patient", "Starting")


# ---- deletion


@pytest.mark.parametrize("finished", [True, False])
def test_deletion_of_a_failed_start_leaves_nothing(world: World, finished: bool) -> None:
    name = f"deleted-{str(finished).lower()}"
    run = world.triggered(name, startDeadlineSeconds=2 if finished else 3600)
    if finished:
        world.wait(name, "Failed")
    world.namespace.delete(name)
    world.wait_gone(name, seconds=20)
    assert world.run_state(run) == "failed"
