"""The queue in Kubernetes: with two runs in flight at most, the rest waits in its order and says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.fake_airflow import FakeAirflow
from tests.support.operator_process import QUICK, OperatorProcess
from tests.support.wait import stays, until
from tests.support.world import World


@pytest.fixture
def narrow(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An operator that lets two runs be in flight."""
    with FakeAirflow() as airflow, cluster.namespace() as namespace:
        folder = tmp_path_factory.mktemp("operator")
        operator = OperatorProcess(namespace, airflow, folder, QUICK | {"ACJ_MAX_IN_FLIGHT": "2"})
        operator.start()
        try:
            world = World(namespace, airflow, operator)
            for name in ("one", "two"):
                world.triggered(name)
            yield world
        finally:
            operator.kill()


def held(world: World, name: str, **spec: object) -> str:
    """Apply a resource that has to wait; returns what is said about it."""
    world.apply(name, **spec)
    return str(world.wait(name, "Pending", "Held")["message"])


def end(world: World, name: str) -> None:
    world.airflow.finish(world.run_id(name), "success")
    world.wait(name, "Succeeded")


def test_an_end_makes_room_for_the_first_in_line(narrow: World) -> None:
    assert held(narrow, "patient") == "Place 1 of 1 in line; 2 runs are in flight, the most there may be."
    assert held(narrow, "urgent", priority=7).startswith("Place 1 of 2 in line")
    assert held(narrow, "last", priority=-1).startswith("Place 3 of 3 in line")
    assert len(narrow.airflow.runs) == 2
    writes = narrow.namespace.job("patient")["metadata"]["resourceVersion"]
    end(narrow, "one")
    narrow.wait("urgent", "Queued")
    assert len(narrow.airflow.runs) == 3
    stays(
        "those who wait are left alone",
        lambda: narrow.namespace.job("patient")["metadata"]["resourceVersion"] == writes,
        seconds=6,
    )
    for done, starts in (("two", "patient"), ("urgent", "last")):
        end(narrow, done)
        narrow.wait(starts, "Queued")


def test_a_restart_starts_no_more_than_may_be(narrow: World) -> None:
    held(narrow, "waiting")
    narrow.operator.kill()
    narrow.apply("meanwhile", priority=1)
    narrow.operator.start()
    narrow.wait("meanwhile", "Pending", "Held")
    stays("two are in flight", lambda: len(narrow.airflow.runs) == 2, seconds=4)
    end(narrow, "one")
    narrow.wait("meanwhile", "Queued")


@pytest.mark.parametrize(
    ("wish", "phase", "reason"),
    [({"suspend": True}, "Suspended", "Suspended"), ({"shutdown": "Stop"}, "Failed", "Stopped")],
)
def test_ended_while_it_waits(narrow: World, wish: dict[str, object], phase: str, reason: str) -> None:
    held(narrow, "waiting")
    narrow.namespace.patch("waiting", **wish)
    narrow.wait("waiting", phase, reason)
    held(narrow, "next")
    end(narrow, "two")
    narrow.wait("next", "Queued")
    assert narrow.runs_of("waiting") == []


def test_deleted_while_it_waits(narrow: World) -> None:
    held(narrow, "unwanted")
    narrow.namespace.delete("unwanted")
    narrow.wait_gone("unwanted", seconds=10)
    assert len(narrow.airflow.runs) == 2


def test_the_start_deadline_counts_while_it_waits(narrow: World) -> None:
    held(narrow, "hurried", startDeadlineSeconds=4)
    status = narrow.wait("hurried", "Failed", "StartDeadlineExceeded")
    assert "It waited: Held: Place 1 of 1 in line" in status["message"]


def test_a_run_that_is_suspended_makes_room_and_waits_when_it_is_resumed(narrow: World) -> None:
    held(narrow, "waiting")
    narrow.namespace.patch("one", suspend=True)
    narrow.wait("waiting", "Queued")
    narrow.wait("one", "Suspended", "Suspended")
    narrow.namespace.patch("one", suspend=False)
    narrow.wait("one", "Pending", "Held")
    end(narrow, "two")
    narrow.wait("one", "Queued")


def test_jobs_that_airflow_does_not_take_keep_no_place(narrow: World) -> None:
    """Their DAG is missing: they are tried again and again, and others start all the same."""
    end(narrow, "one")
    for number in range(3):
        narrow.apply(f"missing-{number}", dagId="nowhere")
        narrow.wait(f"missing-{number}", "Pending", "DagMissing")
    narrow.triggered("good")
    narrow.airflow.add_dag("nowhere")
    end(narrow, "two")
    until("one of them starts", lambda: len(narrow.airflow.runs) == 4, seconds=20)
