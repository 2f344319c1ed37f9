"""The operator is killed at the worst moments and started again: one DagRun, and the right status."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.cluster import Json
from tests.support.wait import until
from tests.support.world import World


def test_killed_before_the_request_arrives(world: World) -> None:
    with world.airflow.hold("POST", commit=False) as held:
        world.apply("before")
        held.wait_until_reached()
        world.operator.kill()
    assert world.runs_of("before") == []
    world.operator.start()
    world.wait("before", "Queued")
    assert len(world.runs_of("before")) == 1


def test_killed_after_the_request_and_before_the_status(world: World) -> None:
    with world.airflow.hold("POST", commit=True) as held:
        world.apply("between")
        held.wait_until_reached()
        world.operator.kill()
    assert len(world.runs_of("between")) == 1
    assert "dagRunState" not in world.namespace.status("between")
    world.operator.start()
    world.wait("between", "Queued")
    assert [run["dag_run_id"] for run in world.runs_of("between")] == [world.run_id("between")]


def test_killed_while_stopping_for_a_suspension(world: World) -> None:
    """Resumed before the stop was carried through: the old run ends, a new one begins."""
    first = world.triggered("torn")
    with world.airflow.hold("PATCH", commit=False) as held:
        world.namespace.patch("torn", suspend=True)
        held.wait_until_reached()
        world.operator.kill()
    world.namespace.patch("torn", suspend=False)
    world.operator.start()
    until("there is a second run", lambda: len(world.runs_of("torn")) == 2)
    states = {run["dag_run_id"]: run["state"] for run in world.runs_of("torn")}
    assert states.pop(first) == "failed"
    assert list(states.values()) == ["queued"]


def test_ends_in_time_while_airflow_hangs(world: World) -> None:
    with world.airflow.hold("POST", commit=False) as held:
        world.apply("hanging")
        held.wait_until_reached()
        world.operator.stop()
    world.operator.start()
    world.wait("hanging", "Queued")


@dataclass(frozen=True)
class Downtime:
    """A world whose operator was away while much happened, and is back; and what it left behind."""

    world: World
    runs: dict[str, str]
    done: Json
    late: Json
    posts: int


@pytest.fixture(scope="module")
def downtime(world: World) -> Downtime:
    names = ("done", "late", "ends", "vanished", "runs-on", "doomed", "halted")
    runs = {name: world.triggered(name) for name in names}
    pods = {name: world.add_pod(name) for name in ("ends", "vanished", "runs-on")}
    world.airflow.finish(runs["done"], "success")
    world.wait("done", "Succeeded")
    until("the finalizer is gone", lambda: world.released("done"))
    world.pod_runs(pods["vanished"])
    world.wait("vanished", "Running")
    done = world.namespace.job("done")

    world.operator.kill()
    world.airflow.delete_run(runs["done"])
    world.airflow.finish(runs["late"], "success")
    world.namespace.write_status("acj", "late", {"phase": "Succeeded", "reason": "Completed", "dagRunState": "success"})
    assert not world.released("late")
    world.pod_ends(pods["ends"], exit_code=3, message="why")
    world.airflow.finish(runs["ends"], "failed")
    world.namespace.kubectl("delete", "pod", pods["vanished"], "--wait=false", "--grace-period=0", "--force")
    vanished = {"number": 1, "podName": "p", "reason": "Completed"}
    world.airflow.set_xcom(runs["vanished"], "outcome", {"attempts": [vanished]})
    world.airflow.finish(runs["vanished"], "success")
    world.pod_runs(pods["runs-on"])
    world.namespace.delete("doomed")
    world.namespace.patch("halted", suspend=True)
    world.apply("new")
    late, posts = world.namespace.job("late"), world.airflow.count("POST", "dagRuns")
    world.operator.start()
    world.wait("new", "Queued")
    return Downtime(world, runs, done, late, posts)


def test_only_what_is_new_is_triggered(downtime: Downtime) -> None:
    assert downtime.world.airflow.count("POST", "dagRuns") == downtime.posts + 1


def test_a_finished_job_is_not_touched(downtime: Downtime) -> None:
    """Even though Airflow has forgotten its run meanwhile."""
    assert downtime.world.namespace.job("done") == downtime.done


def test_an_end_recorded_before_the_crash_stands(downtime: Downtime) -> None:
    """What a crash between the terminal status and the removal of the finalizer leaves."""
    until("the finalizer is gone", lambda: downtime.world.released("late"))
    assert downtime.world.namespace.status("late") == downtime.late["status"]


def test_an_end_while_it_was_down(downtime: Downtime) -> None:
    status = downtime.world.wait("ends", "Failed", "Error")
    assert (status["exitCode"], status["message"]) == (3, "why")


def test_a_pod_that_vanished_while_it_was_down(downtime: Downtime) -> None:
    """Its end is then known from Airflow alone."""
    status = downtime.world.wait("vanished", "Succeeded", "Completed")
    assert status["attempts"] == [{"number": 1, "podName": "p", "reason": "Completed"}]


def test_a_start_while_it_was_down(downtime: Downtime) -> None:
    downtime.world.wait("runs-on", "Running")
    assert downtime.world.run_id("runs-on") == downtime.runs["runs-on"]


def test_a_deletion_while_it_was_down(downtime: Downtime) -> None:
    downtime.world.wait_gone("doomed")
    assert downtime.world.run_state(downtime.runs["doomed"]) == "failed"


def test_a_suspension_while_it_was_down(downtime: Downtime) -> None:
    downtime.world.wait("halted", "Suspended", "Suspended")
    assert downtime.world.run_state(downtime.runs["halted"]) == "failed"
