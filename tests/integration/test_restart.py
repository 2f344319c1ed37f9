"""The operator is killed at the worst moments and started again: one DagRun, and the right status."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.cluster import PLURAL, Json
from tests.support.wait import stays, until
from tests.support.world import World, now


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


@pytest.mark.parametrize(("state", "reason", "code"), [("success", "Completed", 0), ("failed", "OOMKilled", 137)])
def test_killed_after_the_request_and_the_run_is_over_when_it_is_back(
    world: World, state: str, reason: str, code: int
) -> None:
    """Its pod may be deleted by then: Airflow has what is left of it."""
    name = f"over-{code}"
    with world.airflow.hold("POST", commit=True) as held:
        world.apply(name)
        held.wait_until_reached()
        world.operator.kill()
    (run,) = world.runs_of(name)
    attempt = {"number": 1, "podName": "p", "reason": reason, "exitCode": code}
    world.airflow.set_xcom(run["dag_run_id"], "outcome", {"attempts": [attempt], "result": {"rows": 3}})
    world.airflow.finish(run["dag_run_id"], state)
    world.operator.start()
    status = world.wait(name, "Succeeded" if state == "success" else "Failed")
    told = {key: status.get(key) for key in ("reason", "exitCode", "result", "attempts")}
    assert told == {"reason": reason, "exitCode": code, "result": {"rows": 3}, "attempts": [attempt]}


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


@pytest.mark.parametrize(
    ("wish", "back", "phase"),
    [
        ({"shutdown": "Stop"}, {"shutdown": None}, "Failed"),
        ({"rerun": "now"}, {"rerun": None}, "Queued"),
        ({"image": "busybox:1.36"}, {"image": "busybox:1.35"}, "Queued"),
    ],
)
def test_killed_while_ending_a_run_and_the_wish_is_taken_back(world: World, wish: Json, back: Json, phase: str) -> None:
    """What was begun is finished, as the status says what it was."""
    name = f"cut-{next(iter(wish))}"
    first = world.triggered(name)
    with world.airflow.hold("PATCH", commit=False) as held:
        world.namespace.patch(name, **wish)
        held.wait_until_reached()
        world.operator.kill()
    world.namespace.patch(name, **back)
    world.operator.start()
    until("the run is ended", lambda: world.run_state(first) == "failed")
    world.wait(name, phase)
    until("all is decided", lambda: len(world.runs_of(name)) == (1 if phase == "Failed" else 2))
    assert (world.run_id(name) == first) is (phase == "Failed")


def test_killed_while_airflow_is_away(world: World) -> None:
    with world.airflow.away():
        world.apply("pending")
        world.wait("pending", "Pending", "AirflowUnreachable")
        until("it is told", lambda: world.events("pending"))
        world.operator.kill()
        world.operator.start()
        stays("it is told once", lambda: world.events("pending") == ["AirflowUnreachable"], seconds=5)
        assert world.namespace.status("pending")["reason"] == "AirflowUnreachable"
    world.wait("pending", "Queued", seconds=60)
    assert len(world.runs_of("pending")) == 1


def test_killed_between_two_attempts(world: World) -> None:
    run = world.triggered("retrying", backoffLimit=1)
    pod = world.add_pod("retrying")
    world.pod_runs(pod)
    world.wait("retrying", "Running")
    world.pod_ends(pod, exit_code=3, at=now())
    before = world.wait("retrying", "Queued", "Retrying")
    world.operator.kill()
    world.operator.start()
    stays("it says so still", lambda: world.namespace.status("retrying") == before, seconds=4)
    second = world.add_pod("retrying", 2)
    world.pod_runs(second)
    world.wait("retrying", "Running")
    world.pod_ends(second)
    world.airflow.finish(run, "success")
    assert world.wait("retrying", "Succeeded")["attempt"] == 2


def test_killed_while_suspended(world: World) -> None:
    world.apply("resting", suspend=True)
    before = world.wait("resting", "Suspended", "Suspended")
    world.operator.kill()
    world.operator.start()
    world.triggered("after-resting")
    assert world.namespace.status("resting") == before


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
    names = ("done", "late", "ends", "vanished", "runs-on", "doomed", "halted", "shut")
    runs = {name: world.triggered(name) for name in names}
    runs |= {name: world.finished(name) for name in ("marked", "cleared", "expires", "renewed")}
    runs["too-late"] = world.triggered("too-late", startDeadlineSeconds=8)
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
    world.namespace.write_status(
        PLURAL, "late", {"phase": "Succeeded", "reason": "Completed", "dagRunState": "success"}
    )
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
    world.namespace.patch("shut", shutdown="Stop")
    world.namespace.patch("renewed", rerun="again")
    world.namespace.patch("expires", ttlSecondsAfterFinished=1)
    world.airflow.finish(runs["marked"], "failed")
    world.airflow.clear(runs["cleared"])
    world.apply("new")
    late, posts = world.namespace.job("late"), world.airflow.count("POST", "dagRuns")
    world.operator.start()
    world.wait("new", "Queued")
    until("there is a second run", lambda: len(world.runs_of("renewed")) == 2)
    return Downtime(world, runs, done, late, posts)


def test_only_what_is_new_is_triggered(downtime: Downtime) -> None:
    """The new resource, and the one that was asked to run again."""
    assert downtime.world.airflow.count("POST", "dagRuns") == downtime.posts + 2


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
    downtime.world.wait_gone("doomed")  # at its deadline, perhaps before its run could be ended
    until("its run is ended", lambda: downtime.world.run_state(downtime.runs["doomed"]) == "failed")


def test_a_suspension_while_it_was_down(downtime: Downtime) -> None:
    downtime.world.wait("halted", "Suspended", "Suspended")
    assert downtime.world.run_state(downtime.runs["halted"]) == "failed"


def test_a_shutdown_while_it_was_down(downtime: Downtime) -> None:
    downtime.world.wait("shut", "Failed", "Stopped")
    assert downtime.world.run_state(downtime.runs["shut"]) == "failed"


def test_a_rerun_while_it_was_down(downtime: Downtime) -> None:
    status = downtime.world.wait("renewed", "Queued")
    assert [one["phase"] for one in status["runs"]] == ["Succeeded", "Queued"]


def test_a_start_deadline_while_it_was_down(downtime: Downtime) -> None:
    downtime.world.wait("too-late", "Failed", "StartDeadlineExceeded")
    assert downtime.world.run_state(downtime.runs["too-late"]) == "failed"


def test_an_expiry_while_it_was_down(downtime: Downtime) -> None:
    downtime.world.wait_gone("expires")


def test_a_finished_run_that_was_marked_while_it_was_down(downtime: Downtime) -> None:
    status = downtime.world.wait("marked", "Failed", "MarkedFailed")
    assert status["dagRunState"] == "failed"


def test_a_finished_run_that_was_cleared_while_it_was_down(downtime: Downtime) -> None:
    status = downtime.world.wait("cleared", "Queued", "Cleared")
    assert [one["number"] for one in status["runs"]] == [1, 2]
    assert not downtime.world.released("cleared")
