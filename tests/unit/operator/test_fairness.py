"""What one namespace does costs the others their turn at most: the whole controller, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from airflow_container_job.facts import DagRun
from airflow_container_job.line import STARTING
from tests.unit.operator.scene import Scene
from tests.unit.operator.virtual import VirtualLoop

NEAR = STARTING + 4
"""Runs that may be started between a resource and its own run: those that had their turn, and a few looks' worth."""


def play(act: Callable[[Scene], Awaitable[None]], limit: int = 1000) -> None:
    """Let this happen in virtual time, with requests that take about what they take."""
    scene = Scene(limit)
    scene.airflow.seconds, scene.cluster.seconds = 0.025, 0.01
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scene.play(act))


async def runs_before(scene: Scene, namespace: str) -> int:
    """Make a resource in this namespace; how many runs of others are started before its own."""
    before = len(scene.airflow.runs)
    scene.apply(namespace, 1, decided=False)
    await started(scene, namespace, 1)
    return len(scene.airflow.runs) - before - 1


async def started(scene: Scene, namespace: str, count: int, seconds: float = 120) -> None:
    """Wait until so many runs of this namespace are started."""
    for _ in range(int(seconds * 100)):
        if sum(run.startswith(f"acj-{namespace}-") for run in scene.airflow.runs) >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"after {seconds} s not {count} runs of {namespace} are started")


def test_a_single_job_starts_amid_the_burst_of_another_namespace() -> None:
    async def act(scene: Scene) -> None:
        scene.apply("crowd", 300, decided=False)
        await asyncio.sleep(1.5)
        assert await runs_before(scene, "single") <= NEAR

    play(act)


def test_a_single_job_does_not_wait_until_the_burst_of_another_namespace_has_got_in_line() -> None:
    """Whatever the priority there."""

    async def act(scene: Scene) -> None:
        scene.cluster.seconds = 0.1
        scene.apply("crowd", 3000, decided=False, priority=10)
        scene.apply("single", 1, decided=False)
        await started(scene, "single", 1, seconds=1)

    play(act)


def test_an_airflow_that_hangs_holds_up_no_look_that_does_not_need_it() -> None:
    async def act(scene: Scene) -> None:
        scene.airflow.seconds = 30
        scene.apply("crowd", 300, decided=False)
        await asyncio.sleep(1.5)
        scene.apply("single", 1, decided=False)
        await asyncio.sleep(0.1)
        body = scene.cluster.bodies["single-container_job-0-0000"]
        assert body["metadata"]["finalizers"], "its run is not decided"

    play(act)


def test_refused_runs_of_one_namespace_take_every_other_turn_at_most() -> None:
    async def act(scene: Scene) -> None:
        scene.apply("refused", 250, "large")
        scene.apply("healthy", 50)
        await started(scene, "healthy", 50)
        assert scene.airflow.asked["large"] <= 50 + STARTING

    play(act)


def test_as_many_missing_dags_as_jobs_take_every_other_turn_at_most() -> None:
    async def act(scene: Scene) -> None:
        for number in range(500):
            scene.apply("misspelt", 1, f"nowhere-{number}")
        scene.apply("healthy", 50)
        await started(scene, "healthy", 50)
        assert scene.airflow.asked.total() - 50 <= 50 + STARTING

    play(act)


def test_a_refused_run_is_asked_for_ever_more_rarely_and_told_once() -> None:
    async def act(scene: Scene) -> None:
        scene.apply("refused", 1, "large")
        await asyncio.sleep(100)
        assert scene.airflow.asked["large"] == 6  # after 5, 10, 20, 30 and 30 s more
        assert scene.cluster.writes == {"AirflowError": 1, "event AirflowError": 1}

    play(act)


@pytest.mark.parametrize("away", [False, True])
def test_a_deleted_job_gives_its_place_back_though_another_finalizer_keeps_it(away: bool) -> None:
    """Whether Airflow has its run, or it had only its turn to ask for it."""

    async def act(scene: Scene) -> None:
        scene.airflow.away = away
        scene.apply("leaving", 1)
        await asyncio.sleep(1)
        deleted = {"deletionTimestamp": "2026-11-22T12:00:00Z", "finalizers": ["other/finalizer"]}
        scene.controller.memory.job_seen(scene.cluster.change("leaving-container_job-0-0000", deleted))
        scene.airflow.away = False
        scene.apply("next", 1)
        await started(scene, "next", 1)

    play(act, limit=1)


def test_a_burst_of_deletions_delays_nothing_of_other_namespaces() -> None:
    async def act(scene: Scene) -> None:
        scene.apply("crowd", 300)
        scene.apply("other", 1, "own")
        await started(scene, "crowd", 300)
        deleted = {"deletionTimestamp": datetime.now(UTC).isoformat()}
        for uid in [uid for uid in scene.cluster.bodies if uid.startswith("crowd")]:
            scene.controller.memory.job_seen(scene.cluster.change(uid, deleted))
        await asyncio.sleep(1)
        ended = DagRun("acj-other-own-0-0000-1", "success")
        scene.controller.memory.run_seen("other-own-0-0000", ended)
        assert await runs_before(scene, "single") == 0
        assert scene.cluster.bodies["other-own-0-0000"]["status"]["phase"] == "Succeeded"
        assert len(scene.airflow.stopped) < 100
        await asyncio.sleep(60)
        assert len(scene.airflow.stopped) == 300

    play(act)
