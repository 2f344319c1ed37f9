"""Airflow fails in the ways that lose or double runs: one DagRun all the same, and no writing while nothing is new."""

from __future__ import annotations

import time

import pytest

from tests.support.cluster import manifest
from tests.support.wait import stays, until
from tests.support.world import World

MANY = [f"job-{number:02}" for number in range(30)]


def test_a_request_that_arrived_though_its_answer_did_not(world: World) -> None:
    posts = world.airflow.count("POST", "dagRuns")
    world.airflow.drop_after_commit(1)
    world.apply("dropped")
    world.wait("dropped", "Queued")
    assert len(world.runs_of("dropped")) == 1
    assert world.airflow.count("POST", "dagRuns") <= posts + 2


def test_a_request_that_times_out_and_arrived(world: World) -> None:
    with world.airflow.hold("POST", commit=True) as held:
        world.apply("timed-out")
        held.wait_until_reached()
        world.wait("timed-out", "Queued", seconds=60)  # found by asking, as no request that writes is answered
    assert len(world.runs_of("timed-out")) == 1


@pytest.mark.parametrize("wish", ["delete", "change", "suspend", "shutdown", "deadline"])
def test_a_request_that_is_carried_out_when_nobody_wants_the_run_any_more(world: World, wish: str) -> None:
    """Nobody knows when an unanswered request is carried out: the run is looked for, and ended."""
    name = f"late-{wish}"
    with world.airflow.hold("POST", commit=False) as held:
        world.apply(name, **({"startDeadlineSeconds": 6} if wish == "deadline" else {}))
        held.wait_until_reached()
        uid = world.namespace.job(name)["metadata"]["uid"]
        world.wait(name, "Pending", "AirflowUnreachable")
        change_mind(world, name, wish)
    late = f"acj-{uid}-1"
    if wish == "change":
        world.wait(name, "Queued")
    elif wish != "delete":
        until("the finalizer is gone", lambda: world.released(name), seconds=60)
    before = world.namespace.find_job(name)
    assert late not in [run["dag_run_id"] for run in world.airflow.runs]
    world.airflow.create(late, {"owner_reference": {"uid": uid}})
    until("the late run is ended", lambda: world.run_state(late) == "failed")
    if wish == "suspend":  # a list of all live runs may show it first: then the status tells of it meanwhile
        stays("it is suspended", lambda: world.namespace.status(name)["phase"] == "Suspended", seconds=3)
        world.wait(name, "Suspended", "Suspended")
        assert world.released(name)
        assert [run["dag_run_id"] for run in world.runs_of(name)] == [late]
    else:
        stays("the resource is left alone", lambda: world.namespace.find_job(name) == before, seconds=3)


def change_mind(world: World, name: str, wish: str) -> None:
    """Let the run not be wanted any more, and wait until the status says so where it does at once."""
    if wish == "delete":
        world.namespace.delete(name)
        world.wait_gone(name, seconds=20)
    elif wish == "change":
        world.namespace.patch(name, image="busybox:1.36")
        until("it is seen", lambda: world.settled(name))
    elif wish == "suspend":
        world.namespace.patch(name, suspend=True)
        world.wait(name, "Suspended")
    elif wish == "shutdown":
        world.namespace.patch(name, shutdown="Stop")
        world.wait(name, "Failed", "Stopped")
    else:
        world.wait(name, "Failed", "StartDeadlineExceeded")


@pytest.mark.parametrize("status", [429, 503])
def test_an_airflow_that_is_in_trouble(world: World, status: int) -> None:
    name = f"trouble-{status}"
    world.airflow.fail_next(1, status)
    world.apply(name)
    world.wait(name, "Queued")
    assert len(world.runs_of(name)) == 1
    until("it is told", lambda: world.events(name) == ["AirflowUnreachable"])


@pytest.mark.parametrize("status", [413, 500])
def test_a_refusal_of_one_run_holds_up_no_other(world: World, status: int) -> None:
    """Airflow serves all others, so it is not away."""
    name, other = f"refused-{status}", f"unhindered-{status}"
    world.airflow.fail_next(1, status)
    world.apply(name)
    assert str(status) in world.wait(name, "Pending", "AirflowError")["message"]
    world.apply(other)
    world.wait(other, "Queued")
    world.wait(name, "Queued")
    assert world.events(name) == ["AirflowError"]
    assert len(world.runs_of(name)) == 1


def test_an_airflow_without_its_database(world: World) -> None:
    """It answers 500 to whatever is asked: no job is to blame."""
    names = [f"database-{number}" for number in range(3)]
    with world.airflow.without_database():
        world.namespace.apply(*(manifest(name) for name in names))
        world.namespace.wait_for_all(names, "Pending", "AirflowUnreachable")
        until("each has said so", lambda: all(world.events(name) == ["AirflowUnreachable"] for name in names))
    world.namespace.wait_for_all(names, "Queued")


@pytest.mark.parametrize(("status", "tries", "reason"), [(401, 4, "AirflowDenied"), (403, 1, "DagDenied")])
def test_an_account_without_rights_is_named(world: World, status: int, tries: int, reason: str) -> None:
    """A try is refused twice where its token may be what is refused: it is repeated with a new one then."""
    name = f"denied-{status}"
    world.airflow.fail_next(2 * tries, status)
    world.apply(name)
    assert str(status) in world.wait(name, "Pending", reason)["message"]
    world.wait(name, "Queued")


def test_an_outage_loses_nothing_and_adds_no_writes(world: World) -> None:
    patches = world.namespace.cluster.status_patches
    runs, posts, before = len(world.airflow.runs), world.airflow.count("POST", "dagRuns"), patches()
    with world.airflow.away():
        world.namespace.apply(*(manifest(name) for name in MANY))
        world.namespace.wait_for_all(MANY, "Pending", "AirflowUnreachable")
        stays("each has said so once", lambda: patches() == before + len(MANY), seconds=8)
    world.namespace.wait_for_all(MANY, "Queued")
    assert patches() == before + 2 * len(MANY)
    assert len(world.airflow.runs) == runs + len(MANY)
    assert world.airflow.count("POST", "dagRuns") == posts + len(MANY)


def test_an_outage_while_jobs_run(world: World) -> None:
    """What the pods tell is shown meanwhile; the end is recorded when Airflow can be asked again."""
    run = world.triggered("going")
    pod = world.add_pod("going")
    with world.airflow.away():
        world.pod_runs(pod)
        world.wait("going", "Running")
        world.pod_ends(pod)
        world.airflow.finish(run, "success")
        stays("it is not said to be over", lambda: world.namespace.status("going")["phase"] == "Running", seconds=3)
    world.wait("going", "Succeeded", "Completed", seconds=60)


def test_deletion_while_airflow_is_away(world: World) -> None:
    """The pod ends at once, the resource goes at its deadline, and the run is stopped when Airflow is back."""
    run = world.triggered("leaving")
    pod = world.add_pod("leaving")
    world.pod_runs(pod)
    world.wait("leaving", "Running")
    with world.airflow.away():
        began = time.monotonic()
        world.namespace.delete("leaving")
        status = world.wait("leaving", "Running", "AirflowUnreachable")
        assert status["message"].startswith("Deletion waits")
        world.wait_gone("leaving", seconds=20)
        assert time.monotonic() - began > 4, "the deadline of 6 s was not used"
    until("the run is stopped", lambda: world.run_state(run) == "failed", seconds=60)


def test_deletion_of_what_was_never_triggered(world: World) -> None:
    runs = len(world.airflow.runs)
    with world.airflow.away():
        world.apply("never")
        world.wait("never", "Pending", "AirflowUnreachable")
        world.namespace.delete("never")
        world.wait_gone("never", seconds=20)
    world.triggered("after-never")
    assert len(world.airflow.runs) == runs + 1


def test_deletion_of_a_job_whose_annotation_was_overwritten(world: World) -> None:
    """Nothing a user writes may make a resource, and with it a namespace, impossible to delete."""
    world.triggered("spoilt")
    world.namespace.kubectl("annotate", "acj", "spoilt", "acj.dev/run=nonsense", "--overwrite")
    world.namespace.delete("spoilt")
    world.wait_gone("spoilt", seconds=20)
