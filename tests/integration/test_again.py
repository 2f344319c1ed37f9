"""What calls for another run, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.wait import stays, until
from tests.support.world import World, conditions


def numbers(world: World, name: str) -> list[tuple[int, str]]:
    return [(one["number"], one["phase"]) for one in world.namespace.status(name)["runs"]]


def runs_nothing(world: World, name: str, runs: int = 1) -> None:
    """Wait until the newest spec was looked at, and see that it started nothing."""
    until(f"the newest spec of {name} was looked at", lambda: world.settled(name))
    before = world.namespace.status(name)
    stays("nothing runs", lambda: world.namespace.status(name) == before, seconds=1.5)
    assert len(world.runs_of(name)) == runs


def test_applying_the_same_again_runs_nothing(world: World) -> None:
    world.finished("again")
    world.apply("again")
    world.namespace.kubectl("annotate", "acj", "again", "note=touched")
    world.namespace.kubectl("label", "acj", "again", "note=touched")
    before = world.namespace.job("again")
    stays("nothing is written", lambda: world.namespace.job("again") == before, seconds=3)
    assert len(world.runs_of("again")) == 1


NOT_EXECUTION: dict[str, Any] = {
    "priority": 7,
    "ttlSecondsAfterFinished": 3600,
    "podRetention": "Keep",
    "startDeadlineSeconds": 3600,
    "rerunPolicy": "Never",
}


def test_what_does_not_touch_execution_runs_nothing(world: World) -> None:
    """Neither while it runs nor after its end; the status says that the newest spec was looked at."""
    world.triggered("untouched")
    for field, value in NOT_EXECUTION.items():
        world.namespace.patch("untouched", **{field: value})
        runs_nothing(world, "untouched")
    world.airflow.finish(world.run_id("untouched"), "success")
    world.wait("untouched", "Succeeded")
    for field in NOT_EXECUTION:
        world.namespace.patch("untouched", **{field: None})
        runs_nothing(world, "untouched")
    assert numbers(world, "untouched") == [(1, "Succeeded")]


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_changed_spec_runs_again_after_the_end(world: World, state: str) -> None:
    name = f"changed-after-{state}"
    first = world.finished(name, state)
    world.namespace.patch(name, image="busybox:1.36")
    until("there is a second run", lambda: len(world.runs_of(name)) == 2)
    status = world.wait(name, "Queued", "Starting")
    assert status["dagRunId"] != first
    assert conditions(status)["Finished"] == "False"
    assert "completionTime" not in status
    assert numbers(world, name) == [(1, "Succeeded" if state == "success" else "Failed"), (2, "Queued")]


def test_a_changed_spec_replaces_the_run(world: World) -> None:
    first = world.triggered("changed")
    pod = world.add_pod("changed")
    world.pod_runs(pod)
    world.wait("changed", "Running")
    world.namespace.patch("changed", image="busybox:1.36")
    until("there is a second run", lambda: len(world.runs_of("changed")) == 2)
    assert world.run_state(first) == "failed"
    assert not world.has_pod(pod), "the old container ran beside the new one"
    status = world.wait("changed", "Queued", "Starting")
    assert status["dagRunId"] != first
    assert [(one["phase"], one["reason"]) for one in status["runs"]] == [
        ("Failed", "SpecChanged"),
        ("Queued", "Starting"),
    ]
    assert world.runs_of("changed")[1]["conf"]["docker_image_name"] == "busybox:1.36"


def test_changed_and_changed_back_while_the_run_is_being_stopped(world: World) -> None:
    """What was begun is finished: the stopped run is replaced, whatever the spec says by then."""
    first = world.triggered("torn")
    with world.airflow.hold("PATCH", commit=True) as held:
        world.namespace.patch("torn", image="busybox:1.36")
        held.wait_until_reached()
        world.namespace.patch("torn", image="busybox:1.35")
    until("there is another run", lambda: len(world.runs_of("torn")) == 2)
    assert world.run_state(first) == "failed"
    world.wait("torn", "Queued", "Starting")
    assert world.runs_of("torn")[1]["conf"]["docker_image_name"] == "busybox:1.35"


def test_never_leaves_a_changed_spec_alone(world: World) -> None:
    world.triggered("never", rerunPolicy="Never")
    world.namespace.patch("never", image="busybox:1.36")
    runs_nothing(world, "never")
    world.airflow.finish(world.run_id("never"), "success")
    world.wait("never", "Succeeded")
    world.namespace.patch("never", image="busybox:1.37")
    runs_nothing(world, "never")


@pytest.mark.parametrize("policy", ["OnSpecChange", "Never"])
def test_a_new_text_in_rerun_runs_it_again(world: World, policy: str) -> None:
    name = f"rerun-{policy.lower()}"
    world.finished(name, "failed", rerunPolicy=policy, rerun="monday")
    assert len(world.runs_of(name)) == 1
    world.namespace.patch(name, rerun="tuesday")
    until("there is a second run", lambda: len(world.runs_of(name)) == 2)
    world.wait(name, "Queued", "Starting")
    world.airflow.finish(world.run_id(name), "success")
    world.wait(name, "Succeeded")
    assert numbers(world, name) == [(1, "Failed"), (2, "Succeeded")]
    world.namespace.patch(name, rerun=None)
    runs_nothing(world, name, runs=2)
    world.namespace.patch(name, rerun="wednesday")
    until("there is a third run", lambda: len(world.runs_of(name)) == 3)


def test_rerun_while_it_runs(world: World) -> None:
    first = world.triggered("rerunning")
    pod = world.add_pod("rerunning")
    world.pod_runs(pod)
    world.wait("rerunning", "Running")
    world.namespace.patch("rerunning", rerun="now")
    until("there is a second run", lambda: len(world.runs_of("rerunning")) == 2)
    assert world.run_state(first) == "failed"
    assert not world.has_pod(pod), "the old container ran beside the new one"
    status = world.wait("rerunning", "Queued", "Starting")
    assert [(one["phase"], one["reason"]) for one in status["runs"]] == [
        ("Failed", "Rerunning"),
        ("Queued", "Starting"),
    ]


def test_the_last_five_runs_are_kept(world: World) -> None:
    world.finished("often")
    for number in range(2, 8):
        world.namespace.patch("often", rerun=str(number))
        until(f"run {number} is there", lambda number=number: len(world.runs_of("often")) == number)  # type: ignore[misc]
        world.wait("often", "Queued")
        world.airflow.finish(world.run_id("often"), "success" if number % 2 else "failed")
        world.wait("often", "Succeeded" if number % 2 else "Failed")
    status = world.namespace.status("often")
    assert [one["number"] for one in status["runs"]] == [3, 4, 5, 6, 7]
    assert [one["phase"] for one in status["runs"]] == ["Succeeded", "Failed"] * 2 + ["Succeeded"]
    assert status["runs"][-1]["dagRunId"] == status["dagRunId"]
    assert len({one["dagRunId"] for one in status["runs"]}) == 5
