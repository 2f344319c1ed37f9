"""What a triggerer does with pods that may be another's: Airflow tells it no more than that a trigger is cancelled."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from dynamic_pod import deferral
from tests.unit.dynamic_pod.fake_cluster import IDENTITY, FakeCluster, Recorder, until
from tests.unit.dynamic_pod.triggering import CONF, REMOVED, Scene, Triggerer, connection, with_supervisor

Play = Callable[[Scene], None]


ANSWERS = {
    "taken over": ({"state": "deferred"}, True),
    "no answer": ({"away": True}, True),
    "marked": ({"state": "failed"}, False),
    "deleted": ({"state": None}, False),
}


@pytest.mark.parametrize(("airflow_says", "stays"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("map_index", [-1, 3])
def test_a_running_pod_stays_where_another_triggerer_may_follow_it(
    play: Play, monkeypatch: pytest.MonkeyPatch, airflow_says: dict[str, Any], stays: bool, map_index: int
) -> None:
    """Airflow gives the tasks of a triggerer whose heartbeat is late to another one, and cancels them as if killed."""
    supervisor = with_supervisor(monkeypatch, **airflow_says)

    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF, map_index=map_index)
        name = await fake.pod()
        fake.start(name)
        await triggerer.cancel(REMOVED)
        assert triggerer.killed
        if stays:
            await until(lambda: supervisor.threads)
            await asyncio.sleep(0.1)
            assert fake.count("DELETE") == 0
        else:
            await until(lambda: not fake.pods)

    play(scene)


def test_when_many_tasks_are_stopped_at_once_airflow_is_asked_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the time that it needs for a hundredth of the questions."""
    supervisor = with_supervisor(monkeypatch, state="deferred")
    runs = [f"run-{number}" for number in range(250)]

    async def ask() -> list[bool]:
        identities = [dataclasses.replace(IDENTITY, run_id=run) for run in runs]
        return await asyncio.gather(*(deferral.may_go_on(one, Recorder()) for one in identities))

    assert asyncio.run(ask()) == [True] * len(runs)
    assert sorted(len(asked) for asked in supervisor.asked) == [50, 100, 100]
    assert sorted(run for asked in supervisor.asked for run in asked) == sorted(runs)


def test_tasks_that_are_stopped_one_after_the_other_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(state: str) -> bool:
        with_supervisor(monkeypatch, state=state)
        return await deferral.may_go_on(IDENTITY, Recorder())

    async def twice() -> list[bool]:
        return [await ask("deferred"), await ask("failed")]

    assert asyncio.run(twice()) == [True, False]


def test_what_is_stopped_before_its_pod_is_found_again_takes_it_along(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_SHAKY", connection(fake))
        triggerer.start(CONF, conn_id="shaky")
        fake.start(await fake.pod())
        await triggerer.cancel()
        monkeypatch.delenv("AIRFLOW_CONN_SHAKY")
        again = Triggerer()
        again.start(CONF, conn_id="shaky")
        await asyncio.sleep(0.1)
        monkeypatch.setenv("AIRFLOW_CONN_SHAKY", connection(fake))
        await again.cancel(REMOVED)
        await until(lambda: not fake.pods)
        assert not again.events

    play(scene)


def test_a_connection_that_cannot_be_looked_up_at_first_is_waited_for(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow says of it that it is not defined; a restarted triggerer may have a pod there that runs."""

    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF, conn_id="shaky")
        await asyncio.sleep(0.1)
        assert not triggerer.events
        monkeypatch.setenv("AIRFLOW_CONN_SHAKY", connection(fake))
        fake.end(await fake.pod())
        assert (await triggerer.event()).task_instance_state == "success"
        await triggerer.cancel(REMOVED)

    play(scene)


def test_a_connection_that_is_not_there_ends_the_task_after_a_while(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dynamic_pod.trigger.CONNECTION_SECONDS", 0.1)

    async def scene(_: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF, conn_id="nowhere")
        event = await triggerer.event()
        assert event.task_instance_state == "failed"
        assert "isn't defined" in str(event.xcoms)
        await triggerer.cancel(REMOVED)

    play(scene)
