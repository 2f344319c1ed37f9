"""Scenes for the trigger: the test plays the kubelet, Airflow's triggerer and its supervisor; the trigger is real."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import kubernetes_asyncio.config  # noqa: F401 (the first scene would wait for it, and has no time for that)
import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    DeleteXCom,
    GetTaskStates,
    GetXCom,
    SetXCom,
    TaskStatesResult,
    XComResult,
)

from dynamic_pod import contract
from dynamic_pod.trigger import DynamicPodTrigger
from tests.unit.dynamic_pod.fake_cluster import NAMESPACE, FakeCluster, until

REMOVED = "a word from Airflow"
"""Airflow cancels a trigger with some message once its end is recorded, or somebody ended the task."""


class Triggerer:
    """Runs triggers as TriggerRunner.run_trigger does."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.killed = False
        self._task: asyncio.Task[None] | None = None

    def start(
        self,
        conf: Any,
        *,
        timeout_after: datetime | None = None,
        try_number: int = 1,
        retried: bool = False,
        dag_id: str = contract.DAG_ID,
        map_index: int = -1,
        conn_id: str = "kubernetes_default",
    ) -> None:
        trigger = DynamicPodTrigger(json.dumps(conf), {}, conn_id, retried=retried)
        ti: Any = SimpleNamespace(
            id=uuid.UUID(int=1), dag_id=dag_id, run_id="r", task_id="t", map_index=map_index, try_number=try_number
        )
        trigger.task_instance = ti
        trigger.timeout_after = timeout_after  # type: ignore[attr-defined]
        self._task = asyncio.create_task(self._run(trigger))

    async def _run(self, trigger: DynamicPodTrigger) -> None:
        try:
            async for event in trigger.run():
                self.events.append(event)
        except asyncio.CancelledError as cancelled:
            if cancelled.args and trigger.timeout_after is None:  # type: ignore[attr-defined]
                self.killed = True
                await asyncio.wait_for(trigger.on_kill(), timeout=30)
            raise

    async def cancel(self, *message: str) -> None:
        """Cancel as Airflow does: again and again, until the trigger is over."""
        assert self._task is not None
        async with asyncio.timeout(8):
            while not self._task.done():
                self._task.cancel(*message)
                await asyncio.wait([self._task], timeout=0.05)

    async def event(self) -> Any:
        await until(lambda: self.events)
        return self.events[0]


Scene = Callable[[FakeCluster, Triggerer], Awaitable[None]]
CONF = {"docker_image_name": "busybox"}


def connection(fake: FakeCluster) -> str:
    """An Airflow connection with a kubeconfig in it."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{fake.port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    return json.dumps(
        {"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(kubeconfig), "namespace": NAMESPACE}}
    )


class Supervisor:
    """Airflow's answers to a triggerer: about XComs, and about the state of the task."""

    def __init__(self, *, state: str | None = "failed", away: bool = False) -> None:
        self.deleted: list[tuple[Any, ...]] = []
        self.pushed: dict[str, Any] = {}
        self.threads: set[int] = set()
        self.asked: list[list[str]] = []
        self._state = state
        self._away = away

    def send(self, message: Any) -> Any:
        if isinstance(message, SetXCom):
            self.pushed[message.key] = message.value
        if not isinstance(message, GetXCom | DeleteXCom | GetTaskStates):
            return None
        self.threads.add(threading.get_ident())
        if self._away:
            raise RuntimeError("no answer")
        if isinstance(message, GetTaskStates):
            return self._states(message)
        if isinstance(message, GetXCom):
            return XComResult(key=message.key, value=None)
        self.deleted.append((message.dag_id, message.run_id, message.task_id, message.map_index, message.key))
        return None

    async def asend(self, message: Any) -> Any:
        return self.send(message)

    def _states(self, asked: GetTaskStates) -> TaskStatesResult:
        assert asked.run_ids is not None
        assert asked.task_ids is not None
        self.asked.append(asked.run_ids)
        (task_id,) = asked.task_ids
        task = task_id if asked.map_index in {None, -1} else f"{task_id}_{asked.map_index}"
        states = {task: self._state} if self._state else {}
        return TaskStatesResult(task_states=dict.fromkeys(asked.run_ids, states))


def with_supervisor(monkeypatch: pytest.MonkeyPatch, *, state: str | None = "failed", away: bool = False) -> Supervisor:
    supervisor = Supervisor(state=state, away=away)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor
