"""Airflow is followed: what keeps a run there from starting, and what people do to it in Airflow's UI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.wait import stays, until
from tests.support.world import World, conditions, now


def dag_away(world: World) -> Callable[[], None]:
    dag = world.airflow.dags.pop("container_job")
    return lambda: world.airflow.dags.update(container_job=dag)


def dag_broken(world: World) -> Callable[[], None]:
    dag = world.airflow.dags["container_job"]
    dag.has_import_errors = True
    return lambda: setattr(dag, "has_import_errors", False)


def dag_not_manual(world: World) -> Callable[[], None]:
    dag = world.airflow.dags["container_job"]
    dag.allowed_run_types = ["scheduled"]
    return lambda: setattr(dag, "allowed_run_types", None)


@pytest.mark.parametrize("break_dag", [dag_away, dag_broken, dag_not_manual])
def test_a_dag_that_cannot_run_is_waited_for(world: World, break_dag: Callable[[World], Any]) -> None:
    name = break_dag.__name__.replace("_", "-")
    repair = break_dag(world)
    try:
        world.apply(name)
        status = world.wait(name, "Pending", "DagMissing")
        assert "container_job" in status["message"]
        assert world.runs_of(name) == []
    finally:
        repair()
    world.wait(name, "Queued")
    assert len(world.runs_of(name)) == 1


def pause(world: World) -> Callable[[], None]:
    world.airflow.dags["container_job"].is_paused = True
    return lambda: setattr(world.airflow.dags["container_job"], "is_paused", False)


def take_away(world: World) -> Callable[[], None]:
    world.airflow.dags["container_job"].is_stale = True
    return lambda: setattr(world.airflow.dags["container_job"], "is_stale", False)


def lose_scheduler(world: World) -> Callable[[], None]:
    world.airflow.unhealthy.add("scheduler")
    return world.airflow.unhealthy.clear


def lose_triggerer(world: World) -> Callable[[], None]:
    world.airflow.unhealthy.add("triggerer")
    return world.airflow.unhealthy.clear


@pytest.mark.parametrize(
    ("trouble", "reason", "words"),
    [
        (pause, "DagPaused", "un-pause it"),
        (take_away, "DagMissing", "put its file back"),
        (lose_scheduler, "SchedulerUnhealthy", "scheduler"),
        (lose_triggerer, "TriggererUnhealthy", "triggerer"),
    ],
)
def test_what_keeps_a_run_from_starting_is_named(
    world: World, trouble: Callable[[World], Callable[[], None]], reason: str, words: str
) -> None:
    """And only of a run that has no pod; it goes on when the trouble is over."""
    name = reason.lower()
    world.triggered(name)
    world.triggered(f"{name}-runs")
    world.pod_runs(world.add_pod(f"{name}-runs"))
    world.wait(f"{name}-runs", "Running")
    repair = trouble(world)
    try:
        status = world.wait(name, "Queued", reason)
        assert words in status["message"]
        assert world.namespace.status(f"{name}-runs")["reason"] == "Running"
    finally:
        repair()
    world.wait(name, "Queued", "Starting")
    until("it is told", lambda: reason in world.events(name))
    for one in (name, f"{name}-runs"):
        world.namespace.delete(one)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (
            "QuotaExceeded",
            'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1',
        ),
        ("FailedCreate", 'admission webhook "policy" denied the request: images must be signed'),
    ],
)
def test_a_refused_pod_is_shown_until_there_is_one(world: World, reason: str, message: str) -> None:
    name = reason.lower()
    world.triggered(name)
    world.refuse_pod(name, message)
    assert world.wait(name, "Queued", reason)["message"] == message
    world.pod_runs(world.add_pod(name))
    world.wait(name, "Running", "Running")


def test_the_next_pod_is_refused(world: World) -> None:
    world.triggered("refused-next", backoffLimit=1)
    pod = world.add_pod("refused-next")
    world.pod_runs(pod)
    world.wait("refused-next", "Running")
    world.pod_ends(pod, exit_code=1, at=now())
    world.refuse_pod("refused-next", "exceeded quota: small")
    world.wait("refused-next", "Queued", "QuotaExceeded")
    second = world.add_pod("refused-next", 2)
    world.pod_runs(second)
    world.wait("refused-next", "Running", "Running")


# ---- marked


@pytest.mark.parametrize(
    ("state", "phase", "reason"), [("failed", "Failed", "MarkedFailed"), ("success", "Succeeded", "MarkedSuccess")]
)
def test_marked_before_its_end(world: World, state: str, phase: str, reason: str) -> None:
    name = f"before-{state}"
    run = world.triggered(name)
    pod = world.add_pod(name)
    world.pod_runs(pod)
    world.wait(name, "Running")
    world.airflow.finish(run, state)
    world.pod_goes(pod)
    status = world.wait(name, phase, reason)
    assert status["dagRunState"] == state
    assert conditions(status)["Finished"] == "True"
    until("it is told", lambda: world.events(name) == [reason])
    until("the finalizer is gone", lambda: world.released(name))


def test_marked_before_its_end_with_its_pod_left_over(world: World) -> None:
    """Airflow's triggerer may be away: the operator ends what nobody wants any more."""
    run = world.triggered("left-over")
    pod = world.add_pod("left-over")
    world.pod_runs(pod)
    world.wait("left-over", "Running")
    world.airflow.finish(run, "failed")
    world.wait("left-over", "Failed", "MarkedFailed")
    until("the pod is gone", lambda: not world.has_pod(pod))


@pytest.mark.parametrize(
    ("ended", "marked", "phase", "reason"),
    [("success", "failed", "Failed", "MarkedFailed"), ("failed", "success", "Succeeded", "MarkedSuccess")],
)
def test_marked_after_its_end(world: World, ended: str, marked: str, phase: str, reason: str) -> None:
    name = f"after-{marked}"
    run = world.finished(name, ended)
    world.airflow.finish(run, marked)
    status = world.wait(name, phase, reason)
    assert status["dagRunState"] == marked
    assert conditions(status)["Succeeded"] == str(phase == "Succeeded")
    assert [(one["number"], one["phase"], one["reason"]) for one in status["runs"]] == [(1, phase, reason)]
    until("it is told", lambda: world.events(name)[-1:] == [reason])
    stays("it is written once", lambda: world.namespace.status(name) == status, seconds=3)


# ---- cleared


def test_cleared_after_its_end(world: World) -> None:
    run = world.triggered("cleared")
    first = world.add_pod("cleared")
    world.pod_ends(first, exit_code=3, at=now(2))  # before the next pod, in whole seconds
    world.airflow.finish(run, "failed")
    world.wait("cleared", "Failed", "Error")
    world.airflow.clear(run)
    status = world.wait("cleared", "Queued", "Cleared")
    assert conditions(status)["Finished"] == "False"
    assert not world.released("cleared")
    assert not {"exitCode", "completionTime", "attempts"} & status.keys()
    assert [(one["number"], one["phase"]) for one in status["runs"]] == [(1, "Failed"), (2, "Queued")]

    world.airflow.start(run)
    again = world.add_pod("cleared", pod="cleared-again")
    world.pod_runs(again)
    world.wait("cleared", "Running")
    world.pod_ends(again)
    world.airflow.finish(run, "success")
    status = world.wait("cleared", "Succeeded", "Completed")
    assert [(one["number"], one["phase"], one["dagRunId"]) for one in status["runs"]] == [
        (1, "Failed", run),
        (2, "Succeeded", run),
    ]
    until("it is told", lambda: "Cleared" in world.events("cleared"))
    assert len(world.runs_of("cleared")) == 1
    until("the finalizer is gone", lambda: world.released("cleared"))


def test_cleared_before_its_end(world: World) -> None:
    """Airflow ends the task's pod and starts another try, whose attempts count from 1 again."""
    run = world.triggered("restarted")
    world.airflow.start(run)
    first = world.add_pod("restarted")
    world.pod_runs(first)
    world.wait("restarted", "Running")
    world.airflow.clear(run)
    world.pod_goes(first)
    again = world.add_pod("restarted", pod="restarted-again")
    world.wait("restarted", "Queued", "Cleared")
    world.pod_runs(again)
    world.wait("restarted", "Running", "Running")
    world.pod_ends(again)
    world.airflow.finish(run, "success")
    status = world.wait("restarted", "Succeeded", "Completed")
    assert [(one["number"], one["phase"], one["reason"]) for one in status["runs"]] == [
        (1, "Failed", "Cleared"),
        (2, "Succeeded", "Completed"),
    ]
    assert status["attempts"] == [status["attempts"][0] | {"number": 1, "podName": again}]


def test_a_cleared_run_can_be_deleted(world: World) -> None:
    run = world.finished("cleared-gone")
    world.airflow.clear(run)
    world.wait("cleared-gone", "Queued", "Cleared")
    world.namespace.delete("cleared-gone")
    world.wait_gone("cleared-gone", seconds=20)
    assert world.run_state(run) == "failed"


# ---- deleted


def test_deleted_before_its_end(world: World) -> None:
    run = world.triggered("lost")
    world.airflow.delete_run(run)
    world.wait("lost", "Failed", "DagRunLost")
    assert world.runs_of("lost") == []
    until("it is told", lambda: world.events("lost") == ["DagRunLost"])
    world.namespace.patch("lost", rerun="again")
    world.wait("lost", "Queued")
    assert len(world.runs_of("lost")) == 1


def test_deleted_with_its_pod_at_work(world: World) -> None:
    run = world.triggered("lost-pod")
    pod = world.add_pod("lost-pod")
    world.pod_runs(pod)
    world.wait("lost-pod", "Running")
    world.airflow.delete_run(run)
    world.wait("lost-pod", "Failed", "DagRunLost")
    until("the pod is gone", lambda: not world.has_pod(pod))


def test_deleted_after_its_end(world: World) -> None:
    """What was recorded stands: a cleaned-up Airflow must change no status."""
    run = world.finished("forgotten")
    before = world.namespace.job("forgotten")
    world.airflow.delete_run(run)
    stays("nothing is written", lambda: world.namespace.job("forgotten") == before, seconds=5)


# ---- a task that is over before its run is


def test_the_end_of_its_only_task_is_the_end_of_a_run(world: World) -> None:
    """The scheduler ends the run when its turn comes; that it still lists it as running means nothing by then."""
    run = world.triggered("swift")
    pod = world.add_pod("swift")
    world.pod_runs(pod)
    world.wait("swift", "Running")
    world.pod_ends(pod, at=now())
    world.airflow.start(run)
    world.airflow.end_task(run, "success")
    status = world.wait("swift", "Succeeded", "Completed", seconds=8)
    assert status["dagRunState"] == "success"
    assert world.run_state(run) == "running"
    asked = [one for one in world.airflow.requests if one.path.endswith("/taskInstances")][-1]
    (asked_for,) = (one["run_after"] for one in world.airflow.runs if one["dag_run_id"] == run)
    assert "" < asked.first("run_after_gte") < asked_for, "all tasks there ever were are looked through"
    counted = world.airflow.count("GET", "dagRuns$")
    until("the live runs are counted again", lambda: world.airflow.count("GET", "dagRuns$") >= counted + 3)
    assert world.namespace.status("swift") == status

    world.operator.kill()
    world.operator.start()
    world.triggered("after-swift")
    stays("it is not taken for cleared", lambda: world.namespace.status("swift") == status, seconds=6)
    world.airflow.finish(run, "success")
    stays("its run's end says nothing new", lambda: world.namespace.status("swift") == status, seconds=3)
