"""spec.dagId: the resource starts a DAG of one's own, which has one container, many, or none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cluster import manifest
from tests.support.wait import stays, until
from tests.support.world import World, conditions


@pytest.fixture(scope="module", autouse=True)
def own(world: World) -> Iterator[str]:
    world.airflow.add_dag("own.dag-1")
    yield "own.dag-1"
    world.airflow.dags.pop("own.dag-1")


def start(world: World, name: str, **spec: object) -> str:
    return world.triggered(name, **{"image": None, "command": None, "dagId": "own.dag-1", **spec})


def test_it_gets_what_the_resource_says_and_nothing_else(world: World) -> None:
    """The author's own values are not overridden by anything the resource does not say."""
    run = start(world, "told", params={"date": "{{ ds }}", "deep": {"a": [1, "ü"]}}, backoffLimit=3)
    (found,) = world.runs_of("told")
    conf = found["conf"]
    assert conf.pop("owner_reference")["name"] == "told"
    assert conf == {
        "date": "{{ ds }}",
        "deep": {"a": [1, "ü"]},
        "retries": 3,
        "namespace": world.namespace.name,
        "name": "told",
    }
    assert found["dag_id"] == "own.dag-1"
    status = world.namespace.status("told")
    assert status["dagId"] == "own.dag-1"
    assert status["dagRunUrl"] == f"{world.airflow.url}/dags/own.dag-1/runs/{run}"


def test_it_runs_while_its_dagrun_does(world: World) -> None:
    """Also before, between and after its containers."""
    run = start(world, "tasks")
    assert world.namespace.status("tasks")["reason"] == "Starting"
    world.airflow.start(run)
    world.wait("tasks", "Running", "Running")
    pod = world.add_pod("tasks")
    world.pod_runs(pod)
    until("the pod is shown", lambda: world.namespace.status("tasks").get("podName") == pod)
    world.pod_ends(pod)
    stays("it runs on", lambda: world.namespace.status("tasks")["phase"] == "Running", seconds=3)
    world.airflow.finish(run, "success")
    status = world.wait("tasks", "Succeeded", "Completed")
    assert conditions(status)["Succeeded"] == "True"


def test_it_fails_elsewhere_than_in_a_container(world: World) -> None:
    run = start(world, "elsewhere")
    world.airflow.start(run)
    world.airflow.finish(run, "failed")
    world.wait("elsewhere", "Failed", "DagRunFailed")


def test_a_key_of_the_container_is_no_param(world: World) -> None:
    """There is one way to say a thing."""
    world.apply("twice", dagId="own.dag-1", params={"docker_image_name": "evil", "fine": 1})
    status = world.wait("twice", "Failed", "InvalidSpec")
    assert "spec.params.docker_image_name (use spec.image)" in status["message"]
    assert world.runs_of("twice") == []
    world.namespace.patch("twice", params={"docker_image_name": None})
    world.wait("twice", "Queued")
    assert world.runs_of("twice")[0]["conf"]["fine"] == 1


def test_a_dag_there_is_not(world: World) -> None:
    world.apply("early", image=None, command=None, dagId="later")
    status = world.wait("early", "Pending", "DagMissing")
    assert "later" in status["message"]
    world.airflow.add_dag("later")
    world.wait("early", "Queued", seconds=60)


def test_a_dag_that_the_account_may_not_run(world: World) -> None:
    """Airflow with roles denies one that there is not, too. Whoever names it holds nobody else up."""
    world.airflow.forbidden.add("secret")
    names = [f"curious-{number}" for number in range(3)]
    world.namespace.apply(*(manifest(name, image=None, command=None, dagId="secret") for name in names))
    world.namespace.wait_for_all(names, "Pending", "DagDenied")
    assert "'secret'" in world.namespace.status(names[0])["message"]
    for number in range(3):
        world.triggered(f"beside-{number}")
    world.namespace.patch(names[0], suspend=True)
    world.wait(names[0], "Suspended")
    world.namespace.patch(names[1], shutdown="Stop")
    world.wait(names[1], "Failed", "Stopped")
    world.apply("regretted", image=None, command=None, dagId="secret")
    world.wait("regretted", "Pending", "DagDenied")
    world.namespace.delete("regretted")
    world.wait_gone("regretted")
    world.triggered("afterwards")
    assert not any(reason == "AirflowDenied" for name in names for reason in world.events(name))
    world.airflow.add_dag("secret")
    world.airflow.forbidden.clear()
    world.wait(names[2], "Queued", seconds=60)


def test_a_dag_that_airflow_cannot_read(world: World) -> None:
    """It answers 500 then, to whatever is of this DAG. Whoever names it holds nobody else up, and loses no run."""
    run = start(world, "readable")
    world.airflow.add_dag("unreadable")
    world.airflow.broken |= {"own.dag-1", "unreadable"}
    names = [f"unread-{number}" for number in range(3)]
    world.namespace.apply(*(manifest(name, image=None, command=None, dagId="unreadable") for name in names))
    world.namespace.wait_for_all(names, "Pending", "DagBroken")
    assert "'unreadable'" in world.namespace.status(names[0])["message"]
    world.wait("readable", "Queued", "DagBroken")
    for number in range(3):
        world.triggered(f"aside-{number}")
    assert not any(reason == "AirflowUnreachable" for name in names for reason in world.events(name))
    world.airflow.broken.clear()
    world.namespace.wait_for_all(names, "Queued")
    world.wait("readable", "Queued", "Starting")
    world.airflow.start(run)
    world.airflow.finish(run, "success")
    world.wait("readable", "Succeeded")


def test_a_right_that_is_taken_away_loses_no_run(world: World) -> None:
    """Of what the account may not see nothing is known, least of all that it has ended."""
    run = start(world, "hidden")
    world.airflow.start(run)
    world.wait("hidden", "Running")
    world.airflow.forbidden.add("own.dag-1")
    stays("it goes on", lambda: world.namespace.status("hidden")["phase"] == "Running", seconds=5)
    world.triggered("in-sight")
    world.airflow.forbidden.clear()
    world.airflow.finish(run, "success")
    world.wait("hidden", "Succeeded", seconds=60)


def test_another_dag_is_another_run(world: World) -> None:
    """The old run is ended where it is."""
    world.airflow.add_dag("other")
    first = start(world, "moved")
    world.namespace.patch("moved", dagId="other")
    until("there is a second run", lambda: len(world.runs_of("moved")) == 2)
    assert world.run_state(first) == "failed"
    assert [run["dag_id"] for run in world.runs_of("moved")] == ["own.dag-1", "other"]
    until("it is shown", lambda: world.namespace.status("moved").get("dagId") == "other")


def test_deletion_ends_it(world: World) -> None:
    run = start(world, "deleted")
    world.airflow.start(run)
    world.namespace.delete("deleted")
    world.wait_gone("deleted", seconds=20)
    assert world.run_state(run) == "failed"


def test_its_pods_are_kept_as_the_dag_likes(world: World) -> None:
    run = start(world, "keeper")
    pod = world.add_pod("keeper")
    world.pod_ends(pod)
    world.airflow.finish(run, "success")
    world.wait("keeper", "Succeeded")
    stays("the pod is left alone", lambda: world.has_pod(pod), seconds=3)


def test_only_the_paused_dag_is_named(world: World) -> None:
    start(world, "of-paused")
    world.triggered("of-generic")
    world.airflow.dags["own.dag-1"].is_paused = True
    try:
        status = world.wait("of-paused", "Queued", "DagPaused")
        assert "own.dag-1" in status["message"]
        assert world.namespace.status("of-generic")["reason"] == "Starting"
    finally:
        world.airflow.dags["own.dag-1"].is_paused = False
