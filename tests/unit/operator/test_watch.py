"""What makes a watch list again, and what does not stop it: in virtual time, against a scripted API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import pytest

from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.watch import PAUSES, PODS, Watch
from tests.unit.operator.virtual import VirtualLoop


class Scripted:
    """Has two pods, and tells the first watch of these events; then nothing more."""

    def __init__(self, *events: Mapping[str, Any]) -> None:
        self.lists = self.watches = 0
        self._events = events

    async def list_objects(self, *_: object) -> Any:
        self.lists += 1
        yield {"items": [pod("a"), pod("b")], "metadata": {"resourceVersion": "1"}}

    async def watch_objects(self, *_: object) -> Any:
        self.watches += 1
        events, self._events = self._events, ()
        for event in events:
            yield event
        await asyncio.Event().wait()


def pod(uid: str) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "name": uid, "namespace": "team-a", "resourceVersion": "1"}}


def error(code: int) -> dict[str, Any]:
    return {"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "no"}}


def play(cluster: Scripted, seen: Callable[[dict[str, Any], bool], None], act: Callable[[], Awaitable[None]]) -> None:
    """Let this happen in virtual time while the watch runs."""

    async def main() -> None:
        task = asyncio.create_task(Watch(cast("ClusterApi", cluster), PODS, None, seen).run())
        await act()
        assert not task.done()
        task.cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_one_poisoned_object_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever may create pods would else end the service of all others, and again after each start."""
    seen = []

    def take_in(one: dict[str, Any], gone: bool) -> None:
        if one["metadata"]["uid"] == "a":
            raise ValueError("poison")
        seen.append(gone)

    events = [{"type": kind, "object": pod(uid)} for kind in ("ADDED", "DELETED") for uid in ("a", "b")]
    play(Scripted(*events), take_in, lambda: asyncio.sleep(1))
    assert seen == [False, False, True]
    assert "One of the pods is left out: team-a/a" in caplog.text


@pytest.mark.parametrize(("code", "lists"), [(410, 2), (500, 1), (429, 1)])
def test_only_a_version_that_the_server_has_forgotten_calls_for_a_list(code: int, lists: int) -> None:
    """One that fails otherwise, for all of its clients at once, gets a pause before the watch goes on."""
    cluster = Scripted(error(code))

    async def act() -> None:
        await asyncio.sleep(PAUSES[0] / 2)
        assert (cluster.lists, cluster.watches) == (lists, lists)
        await asyncio.sleep(PAUSES[0])
        assert (cluster.lists, cluster.watches) == (lists, 2)

    play(cluster, lambda _one, _gone: None, act)
