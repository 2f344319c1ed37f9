"""Resources that go without a word of the watch: in virtual time, against a scripted API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

from airflow_container_job.census import COMPARE_SECONDS, ROUND_SECONDS, Census
from airflow_container_job.controller import Controller
from airflow_container_job.echo import DOUBTFUL_SECONDS, LATE_SECONDS
from airflow_container_job.errors import ClusterError
from airflow_container_job.job import Job
from airflow_container_job.line import Line
from airflow_container_job.observer import Observer
from airflow_container_job.status import Links
from tests.unit.operator.builders import UID, body_of, job, recorded
from tests.unit.operator.virtual import VirtualLoop

END = recorded("Succeeded", "Completed", state="success")


class Scene:
    """A census at work: what the operator knows, and what there is."""

    def __init__(self) -> None:
        nobody = cast("Any", None)
        observer = Observer(nobody, "dag", 60)
        self.controller = Controller(nobody, nobody, observer, Links("dag", ""), timedelta(60), 1, Line(1000, None))
        self.controller.echo._clock = asyncio.get_running_loop().time
        self.there: set[str] = set()
        self.away = False
        self.asked = 0
        self.during: Callable[[], None] = lambda: None

    @property
    def known(self) -> bool:
        return self.controller.memory.resources == 1

    def seen(self) -> None:
        """The watch tells of the resource."""
        self.controller.memory.job_seen(body_of(job(status=END, held=False)))

    def written(self) -> None:
        """The API server answers to a write to it."""
        self.controller.job_seen(body_of(job(status=END, held=False)))

    async def has_job(self, one: Job) -> bool:
        self.asked += 1
        return one.uid in self._answer()

    async def uids(self, namespace: str | None) -> set[str]:
        found = self._answer() if namespace == "team-a" else set()
        self.during()
        return found

    def _answer(self) -> set[str]:
        if self.away:
            raise ClusterError("the API server does not answer")
        return set(self.there)


def play(act: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        scene = Scene()
        controller = scene.controller
        census = Census(cast("Any", scene), controller.memory, controller.echo, ["team-a", "team-b"])
        task = asyncio.create_task(census.run())
        await act(scene)
        assert not task.done()
        task.cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_a_resource_whose_last_write_has_no_echo_because_it_is_gone_is_forgotten() -> None:
    """Else the operator would take its watch for a broken one, and end."""

    async def act(scene: Scene) -> None:
        scene.written()
        await asyncio.sleep(DOUBTFUL_SECONDS - 1)
        assert scene.asked == 0
        await asyncio.sleep(ROUND_SECONDS * 2)
        assert not scene.known
        assert scene.asked == 1
        await asyncio.sleep(LATE_SECONDS)
        assert not scene.controller.echo.problem()

    play(act)


def test_a_resource_that_is_there_and_whose_echo_is_late_is_kept_and_the_watch_is_found_out() -> None:
    async def act(scene: Scene) -> None:
        scene.written()
        scene.there = {UID}
        await asyncio.sleep(LATE_SECONDS + 1)
        assert scene.known
        assert scene.controller.echo.problem()

    play(act)


def test_nobody_is_forgotten_while_the_api_server_is_away() -> None:
    async def act(scene: Scene) -> None:
        scene.away = True
        scene.written()
        await asyncio.sleep(2 * COMPARE_SECONDS)
        assert scene.known
        scene.away = False
        await asyncio.sleep(2 * ROUND_SECONDS)
        assert not scene.known

    play(act)


def test_a_resource_that_went_without_a_word_is_forgotten_within_the_hour() -> None:
    async def act(scene: Scene) -> None:
        scene.there = {UID}
        scene.seen()
        await asyncio.sleep(COMPARE_SECONDS + 2 * ROUND_SECONDS)
        assert scene.known
        scene.there = set()
        await asyncio.sleep(COMPARE_SECONDS + 2 * ROUND_SECONDS)
        assert not scene.known

    play(act)


def test_a_resource_that_comes_while_it_is_compared_is_no_lost_one() -> None:
    async def act(scene: Scene) -> None:
        scene.during = scene.seen
        await asyncio.sleep(COMPARE_SECONDS + 2 * ROUND_SECONDS)
        assert scene.known

    play(act)
