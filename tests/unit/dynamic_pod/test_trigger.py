"""The trigger as Airflow's triggerer runs it: through an Airflow connection, to the end and beyond."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.triggers.base import TaskFailedEvent, TaskSuccessEvent

from dynamic_pod import cluster, contract
from dynamic_pod.api import Api
from dynamic_pod.worker import WorkerRun
from tests.unit.dynamic_pod.fake_cluster import IDENTITY, NAMESPACE, FakeCluster, Recorder, now, until
from tests.unit.dynamic_pod.triggering import CONF, REMOVED, Scene, Triggerer, connection, with_supervisor


def test_the_end_is_recorded_before_the_pod_is_deleted(play: Callable[[Scene], None]) -> None:
    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        fake.slow_deletion = 0.3
        triggerer.start(CONF)
        name = await fake.pod()
        fake.end(name, message="42")
        event = await triggerer.event()
        assert isinstance(event, TaskSuccessEvent)
        assert event.xcoms is not None
        assert (event.xcoms["return_value"], event.xcoms["pod_name"]) == (42, name)
        assert name in fake.pods
        await triggerer.cancel(REMOVED)
        assert not fake.pods
        assert fake.bodies[-1]["gracePeriodSeconds"] == 0
        assert not triggerer.killed, "Airflow shall not log that somebody killed the task"

    play(scene)


def test_closing_the_way_into_the_cluster_is_no_kill(
    play: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow repeats its cancellation until the trigger is over, and may do so at this moment too."""
    close = Api.close

    async def slowly(api: Api) -> None:
        await asyncio.sleep(0.3)
        await close(api)

    monkeypatch.setattr(Api, "close", slowly)

    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF)
        fake.end(await fake.pod())
        await triggerer.event()
        await triggerer.cancel(REMOVED)
        assert not fake.pods
        assert not triggerer.killed

    play(scene)


def test_a_triggerer_that_ends_before_the_record_leaves_the_pod(play: Callable[[Scene], None]) -> None:
    """The next one finds it and says the same; without it, the container would run again."""

    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF)
        fake.end(await fake.pod(), exit_code=3, message="no")
        first = await triggerer.event()
        assert isinstance(first, TaskFailedEvent)
        await triggerer.cancel()
        assert fake.pods
        again = Triggerer()
        again.start(CONF)
        assert (await again.event()).xcoms == first.xcoms
        await again.cancel(REMOVED)

    play(scene)


def test_a_triggerer_that_ends_leaves_a_running_pod(play: Callable[[Scene], None]) -> None:
    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF)
        fake.start(await fake.pod())
        await triggerer.cancel()
        assert fake.pods
        assert not triggerer.events

    play(scene)


def test_a_task_that_somebody_ends_takes_its_pod_along(play: Callable[[Scene], None]) -> None:
    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        fake.slow_deletion = 0.3
        triggerer.start(CONF)
        fake.start(await fake.pod())
        await triggerer.cancel(REMOVED)
        assert triggerer.killed
        await until(lambda: not fake.pods)

    play(scene)


def test_an_execution_timeout_takes_the_pod_along(play: Callable[[Scene], None]) -> None:
    """Airflow cancels the trigger then without calling on_kill."""

    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF, timeout_after=datetime(2020, 1, 1, tzinfo=UTC))
        fake.start(await fake.pod())
        await triggerer.cancel(REMOVED)
        assert not triggerer.killed
        assert not fake.pods

    play(scene)


@pytest.mark.parametrize("conf", [{}, {"docker_image_name": "x", "commands": "sh"}, [1]])
def test_a_wrong_conf_ends_the_task_before_any_pod(play: Callable[[Scene], None], conf: Any) -> None:
    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(conf)
        event = await triggerer.event()
        assert isinstance(event, TaskFailedEvent)
        xcoms: Any = event.xcoms
        assert [attempt["reason"] for attempt in xcoms["outcome"]["attempts"]] == ["InvalidSpec"]
        await triggerer.cancel(REMOVED)
        assert not fake.bodies

    play(scene)


def test_a_connection_that_leads_nowhere_fails_the_task_not_the_triggerer(
    play: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(_: FakeCluster, triggerer: Triggerer) -> None:
        both = {"in_cluster": True, "kube_config_path": "/nowhere"}
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", json.dumps({"conn_type": "kubernetes", "extra": both}))
        triggerer.start(CONF)
        event = await triggerer.event()
        assert isinstance(event, TaskFailedEvent)
        assert "keep one" in json.dumps(event.xcoms)
        await triggerer.cancel(REMOVED)

    play(scene)


FAIL_JOB = CONF | {
    "pod_failure_policy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
}


@pytest.mark.parametrize(
    ("retried", "exit_code", "in_a_worker"), [(True, 42, True), (True, 1, False), (False, 42, False)]
)
def test_failjob_asks_a_worker_to_end_a_task_that_airflow_would_try_again(
    play: Callable[[Scene], None], retried: bool, exit_code: int, in_a_worker: bool
) -> None:
    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(FAIL_JOB, retried=retried)
        name = await fake.pod()
        fake.end(name, exit_code=exit_code)
        event = await triggerer.event()
        assert isinstance(event, TaskFailedEvent) is not in_a_worker
        xcoms: Any = event.payload["xcoms"] if in_a_worker else event.xcoms
        assert xcoms["outcome"]["attempts"][0]["exitCode"] == exit_code
        assert name in fake.pods
        await triggerer.cancel(REMOVED)
        assert not fake.pods

    play(scene)


def test_a_further_try_deletes_what_the_one_before_left(
    play: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without blocking the event loop, in which all other tasks run too."""
    supervisor = with_supervisor(monkeypatch)

    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF, try_number=2)
        fake.end(await fake.pod())
        await triggerer.event()
        await triggerer.cancel(REMOVED)
        assert threading.get_ident() not in supervisor.threads

    play(scene)
    keys = ("return_value", "outcome", "pod_name", "pod_namespace")
    assert sorted(supervisor.deleted) == sorted((contract.DAG_ID, "r", "t", -1, key) for key in keys)


@pytest.mark.parametrize(("exit_code", "result"), [(0, {"a": [1]}), (1, None), (1, "no")])
def test_what_other_tasks_read_is_pushed_as_a_worker_does(
    play: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch, exit_code: int, result: Any
) -> None:
    """Airflow 3.3 encodes the XComs of an event twice: a task that reads them would get text."""
    supervisor = with_supervisor(monkeypatch)

    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF, dag_id="own")
        name = await fake.pod()
        fake.end(name, exit_code=exit_code, message="" if result is None else json.dumps(result))
        event = await triggerer.event()
        assert set(event.xcoms) == {"outcome"}
        await triggerer.cancel(REMOVED)
        expected = {"pod_name": name, "pod_namespace": NAMESPACE}
        assert supervisor.pushed == expected | ({} if result is None else {"return_value": result})

    play(scene)


def test_a_first_try_deletes_nothing(play: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = with_supervisor(monkeypatch)

    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF)
        fake.end(await fake.pod())
        await triggerer.event()
        await triggerer.cancel(REMOVED)

    play(scene)
    assert not supervisor.threads


def test_what_cannot_be_deleted_does_not_keep_the_pod_from_running(
    play: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_supervisor(monkeypatch, away=True)

    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF, try_number=3)
        fake.end(await fake.pod())
        assert isinstance(await triggerer.event(), TaskSuccessEvent)
        await triggerer.cancel(REMOVED)

    play(scene)


def test_a_stop_during_the_pause_between_attempts_is_clean(play: Callable[[Scene], None]) -> None:
    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        triggerer.start(CONF | {"retries": 1, "backoff": {"initialSeconds": 300}})
        fake.end_at = now()
        fake.end(await fake.pod(), exit_code=1)
        await until(lambda: fake.count("LOG"))
        await asyncio.sleep(0.1)
        await triggerer.cancel(REMOVED)
        assert triggerer.killed
        await until(lambda: not fake.pods)
        assert not triggerer.events

    play(scene)


def test_triggers_of_one_connection_share_one_watch(play: Callable[[Scene], None]) -> None:
    async def scene(fake: FakeCluster, triggerer: Triggerer) -> None:
        both = [triggerer, Triggerer()]
        triggerer.start(CONF)
        both[1].start(CONF | {"name": "other"})
        await until(lambda: len(fake.pods) == 2)
        assert len(cluster._entries) == 1
        for name in list(fake.pods):
            fake.end(name)
        for one in both:
            await one.event()
        assert fake.count("WATCH") == 1
        for one in both:
            await one.cancel(REMOVED)

    play(scene)


# In a worker.


def work(
    monkeypatch: pytest.MonkeyPatch, scene: Callable[[FakeCluster, asyncio.Future[Any], WorkerRun], Awaitable[None]]
) -> None:
    """A worker has no event loop of its own: it runs in a thread here, beside the fake's."""

    async def run() -> None:
        fake = FakeCluster()
        async with fake.serve():
            monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", connection(fake))
            worker = WorkerRun("kubernetes_default", IDENTITY, CONF, Recorder())
            ending = asyncio.ensure_future(asyncio.to_thread(worker.to_the_end))
            await scene(fake, ending, worker)

    asyncio.run(run())


def test_a_worker_runs_the_pod_to_its_end_and_deletes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(fake: FakeCluster, ending: asyncio.Future[Any], _: WorkerRun) -> None:
        fake.end(await fake.pod(), message="7")
        end = await asyncio.wait_for(ending, 8)
        assert end.xcoms()["return_value"] == 7
        assert not fake.pods

    work(monkeypatch, scene)


def test_a_stopped_worker_deletes_its_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(fake: FakeCluster, ending: asyncio.Future[Any], worker: WorkerRun) -> None:
        fake.start(await fake.pod())
        await fake.watched()
        worker.stop()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(ending, 8)
        assert not fake.pods

    work(monkeypatch, scene)
