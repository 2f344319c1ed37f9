"""What fails liveness and readiness, and when: in virtual time, the real parts with a world that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from airflow_container_job import metrics
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.controller import Controller
from airflow_container_job.echo import LATE_SECONDS, Echo
from airflow_container_job.endpoint import render
from airflow_container_job.errors import AirflowUnreachable, ClusterError
from airflow_container_job.gate import Gate
from airflow_container_job.health import STUCK_SECONDS, Check, Health, beat, own_pulse, rest
from airflow_container_job.line import Line
from airflow_container_job.observer import Observer
from airflow_container_job.status import Links
from airflow_container_job.watch import PODS, Watch
from tests.unit.operator.builders import body_of, job
from tests.unit.operator.virtual import VirtualLoop

Act = Callable[[Health], Awaitable[None]]


def play(act: Act) -> None:
    """Let this happen in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(cast("Any", act(Health())))


async def forever(*_: object, **__: object) -> Any:
    await asyncio.Event().wait()


async def watched(health: Health, routine: Awaitable[None], seconds: float) -> str:
    """What the check of this part says after so long."""
    task = asyncio.create_task(health.alive("part", routine))
    await asyncio.sleep(seconds)
    ((name, problem),) = health.livez()
    assert name == "part"
    if not task.done():
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return problem


def test_a_task_that_has_ended_fails_liveness_at_once() -> None:
    async def act(health: Health) -> None:
        assert await watched(health, asyncio.sleep(0), 1) == "one of its tasks has ended"

    play(act)


def test_a_task_that_does_not_get_on_fails_liveness_after_a_bound() -> None:
    async def act(health: Health) -> None:
        task = asyncio.create_task(health.alive("part", forever()))
        await asyncio.sleep(STUCK_SECONDS - 1)
        assert not health.livez()[0].problem
        await asyncio.sleep(2)
        assert health.livez()[0].problem == f"it has not got on for {STUCK_SECONDS + 1:.0f} s"
        assert metrics.REGISTRY.get_sample_value("acj_check_ok", {"check": "part"}) == 0
        task.cancel()

    play(act)


def test_a_task_that_rests_may_do_so_for_ever() -> None:
    async def resting() -> None:
        rest()
        await forever()

    async def act(health: Health) -> None:
        assert not await watched(health, resting(), 10 * STUCK_SECONDS)

    play(act)


def test_one_stuck_task_of_several_is_not_hidden_by_the_others() -> None:
    async def busy() -> None:
        with own_pulse():
            while True:
                beat()
                await asyncio.sleep(1)

    async def stuck() -> None:
        with own_pulse():
            await forever()

    async def several() -> None:
        rest()
        async with asyncio.TaskGroup() as group:
            group.create_task(busy())
            group.create_task(stuck())

    async def act(health: Health) -> None:
        assert "has not got on" in await watched(health, several(), 2 * STUCK_SECONDS)

    play(act)


def controller(airflow: Any, cluster: Any) -> Controller:
    made = Controller(
        airflow, cluster, Observer(airflow, "dag", 60), Links("dag", ""), timedelta(60), 1, Line(1000, None)
    )
    made.memory.pods_known.set()
    return made


def test_a_worker_that_never_comes_back_from_a_job_fails_liveness() -> None:
    async def act(health: Health) -> None:
        part = controller(SimpleNamespace(gate=Gate()), SimpleNamespace(patch_metadata=forever))
        part.memory.job_seen(undecided())
        assert "has not got on" in await watched(health, part.run(), 2 * STUCK_SECONDS)

    play(act)


def undecided() -> dict[str, Any]:
    """A resource that a worker writes to at once."""
    body = body_of(job())
    body["metadata"] |= {"annotations": {}, "finalizers": []}
    return body


def test_workers_without_work_are_alive() -> None:
    async def act(health: Health) -> None:
        part = controller(SimpleNamespace(gate=Gate()), SimpleNamespace())
        assert not await watched(health, part.run(), 10 * STUCK_SECONDS)

    play(act)


def test_an_airflow_that_is_away_never_fails_liveness() -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise AirflowUnreachable("it is away")

    async def act(health: Health) -> None:
        airflow = SimpleNamespace(
            gate=Gate(),
            behind=timedelta(),
            **dict.fromkeys(("count_live_runs", "ended_tasks", "changed_runs", "live_runs"), refuse),
        )
        observer = Observer(cast("AirflowApi", airflow), "dag", 60)
        assert not await watched(health, observer.run(), 10 * STUCK_SECONDS)

    play(act)


def test_an_observer_whose_question_never_ends_fails_liveness() -> None:
    async def act(health: Health) -> None:
        observer = Observer(cast("AirflowApi", SimpleNamespace(gate=Gate(), count_live_runs=forever)), "dag", 60)
        assert "has not got on" in await watched(health, observer.run(), 2 * STUCK_SECONDS)

    play(act)


class Silent:
    """An API server that is away, or that keeps a watch open without a word."""

    def __init__(self, *, away: bool) -> None:
        self._away = away

    async def list_objects(self, *_: object) -> Any:
        if self._away:
            raise ClusterError("the API server does not answer")
        yield {"items": [], "metadata": {"resourceVersion": "1"}}

    async def watch_objects(self, *_: object) -> Any:
        await forever()
        yield {}


@pytest.mark.parametrize("away", [True, False])
def test_an_api_server_that_is_away_never_fails_liveness_and_a_stuck_watch_does(*, away: bool) -> None:
    async def act(health: Health) -> None:
        watch = Watch(cast("ClusterApi", Silent(away=away)), PODS, None, lambda _body, _gone: None)
        problem = await watched(health, watch.run(), 2 * STUCK_SECONDS)
        assert bool(problem) is not away

    play(act)


def test_readiness_includes_liveness_and_what_mends_by_itself() -> None:
    health = Health()
    health.require_live("workers", lambda: "")
    health.require_ready("airflow", lambda: "no answer")
    assert health.livez() == [Check("workers", "")]
    assert health.readyz() == [Check("workers", ""), Check("airflow", "no answer")]
    assert render(health.readyz()) == "[+]workers ok\n[-]airflow failed: no answer\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def written(version: int, **about: Any) -> dict[str, Any]:
    return {"metadata": {"uid": "a", "resourceVersion": str(version), **about}}


def test_a_watch_that_does_not_tell_of_our_own_writes_is_found_out() -> None:
    clock = Clock()
    echo = Echo(clock)
    echo.expect(written(5))
    clock.now = LATE_SECONDS - 1
    echo.expect(written(6))  # a second write is no sign of life
    echo.heard(written(5))
    assert not echo.problem()
    clock.now = LATE_SECONDS + 1
    assert "has not told of our own writes" in echo.problem()
    echo.heard(written(7))
    assert not echo.problem()


def test_while_the_api_server_is_away_no_echo_is_expected() -> None:
    clock = Clock()
    echo = Echo(clock)
    echo.expect(written(5))
    clock.now = 1000
    echo.excuse()
    clock.now += LATE_SECONDS - 1
    assert not echo.problem()
    clock.now += 2
    assert echo.problem()


def test_a_resource_that_goes_with_our_write_has_no_echo() -> None:
    clock = Clock()
    echo = Echo(clock)
    echo.expect(written(5, deletionTimestamp="2026-11-22T12:00:00Z", finalizers=[]))
    clock.now = 2 * LATE_SECONDS
    assert not echo.problem()


def test_an_echo_that_was_faster_than_the_answer_is_not_waited_for() -> None:
    async def scenario() -> None:
        part = controller(SimpleNamespace(gate=Gate()), SimpleNamespace())
        part.memory.job_seen(body_of(job()))
        part.job_seen(body_of(job()))
        assert not part.echo._expected

    asyncio.run(scenario())
