"""What following runs costs, and what it notices: in virtual time, hours of it, against a scripted Airflow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.errors import AirflowUnreachable, DagDenied
from airflow_container_job.facts import LOST, DagRun, Trouble
from airflow_container_job.observer import Observer

GENERIC = "container_job"


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer whenever there is nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        if timers and not self._ready:  # type: ignore[attr-defined]
            self.now = max(self.now, timers[0]._when)
        super()._run_once()  # type: ignore[misc]


class Scripted:
    """Airflow as far as the observer asks it; counts what it is asked."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        """Every DagRun with its state."""
        self.ended: dict[str, datetime] = {}
        """Runs whose task has ended, and when."""
        self.hidden: set[str] = set()
        """Runs of DAGs that the account may not see."""
        self.asked: Counter[str] = Counter()
        self.gate = SimpleNamespace(pause=0.0)

    @property
    def live(self) -> list[str]:
        return [run for run, state in self.runs.items() if state in ("queued", "running")]

    async def ended_tasks(self, _dag_id: str, since: datetime) -> list[DagRun]:
        self.asked["tasks"] += 1
        return [DagRun(run, "success", at) for run, at in self.ended.items() if at >= since]

    async def changed_runs(self, _since: datetime) -> list[DagRun]:
        self.asked["changed"] += 1
        return []

    async def started_runs(self, _dag_id: str, _since: datetime) -> list[DagRun]:
        self.asked["started"] += 1
        return []

    async def count_live_runs(self) -> int:
        self.asked["count"] += 1
        return len(self.live)

    async def live_runs(self) -> list[DagRun]:
        self.asked["pages"] += 1 + len(self.live) // 100
        return [DagRun(run, self.runs[run], owner_uid=f"uid-{run}") for run in self.live]

    async def read(self, _dag_id: str, dag_run_id: str) -> DagRun | None:
        self.asked["read"] += 1
        if dag_run_id in self.hidden:
            raise DagDenied(dag_run_id)
        return DagRun(dag_run_id, self.runs[dag_run_id]) if dag_run_id in self.runs else None

    async def health_trouble(self) -> Trouble | None:
        self.asked["health"] += 1
        return None

    async def dag_trouble(self, _dag_id: str) -> Trouble | None:
        self.asked["dag"] += 1
        return None


class Heard:
    """Who listens."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.poisoned = ""

    def run_seen(self, uid: str, run: DagRun) -> None:
        if uid == self.poisoned:
            raise ValueError("poison")
        self.runs[uid] = run.state

    def dags_seen(self, troubles: Mapping[str, Trouble]) -> None:
        assert not troubles


Scene = Callable[[Observer, Scripted, Heard], Any]


def play(scene: Scene) -> Scripted:
    """Let an observer run beside this scene, in virtual time."""
    airflow, heard = Scripted(), Heard()

    async def main() -> None:
        observer = Observer(cast("AirflowApi", airflow), GENERIC, 60)
        observer.report_to(heard)
        task = asyncio.create_task(observer.run())
        await scene(observer, airflow, heard)
        task.cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    return airflow


def follow(observer: Observer, airflow: Scripted, *names: str) -> None:
    """Follow runs whose containers run."""
    for name in names:
        airflow.runs[name] = "running"
        observer.follow(name, f"uid-{name}", GENERIC)
        observer.pod_moved(name, ended=False)


def end(observer: Observer, airflow: Scripted, name: str) -> None:
    """Let the task end, its pod having ended; the scheduler has not looked yet."""
    airflow.ended[name] = datetime.now(UTC)
    observer.pod_moved(name, ended=True)


@pytest.mark.parametrize("count", [1, 10_000])
def test_an_hour_in_which_nothing_happens_costs_the_same_for_any_number_of_runs(count: int) -> None:
    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        follow(observer, airflow, *(f"run-{number}" for number in range(count)))
        await asyncio.sleep(3590)

    asked = play(scene).asked
    assert asked == {"changed": 239, "count": 60}  # one of them to know at the start whether Airflow answers


def test_an_end_is_seen_by_the_task_though_the_run_goes_on_and_is_not_reopened_by_a_list() -> None:
    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        follow(observer, airflow, "a", "b")
        await asyncio.sleep(54)
        end(observer, airflow, "a")
        await asyncio.sleep(1.6)
        assert heard.runs == {"uid-a": "success"}
        airflow.runs |= {"c": "running", "d": "running"}  # so that all are listed
        await asyncio.sleep(5)
        assert heard.runs == {"uid-a": "success", "uid-b": "running", "uid-c": "running", "uid-d": "running"}

    assert play(scene).asked["tasks"] <= 3


def test_a_run_that_was_deleted_is_missed_by_the_count() -> None:
    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        follow(observer, airflow, "kept", "deleted")
        await asyncio.sleep(100)
        del airflow.runs["deleted"]
        await asyncio.sleep(60)
        assert heard.runs == {"uid-kept": "running", "uid-deleted": LOST}

    assert play(scene).asked["pages"] == 1


def test_a_run_that_was_deleted_is_missed_though_others_end_all_the_time() -> None:
    """One whose end the scheduler has not seen yet makes up for it in the count."""

    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        follow(observer, airflow, "deleted", *(f"run-{number}" for number in range(400)))
        await asyncio.sleep(100)
        del airflow.runs["deleted"]
        for number in range(400):
            end(observer, airflow, f"run-{number}")
            if number > 2:
                airflow.runs[f"run-{number - 3}"] = "success"
                del airflow.ended[f"run-{number - 3}"]
            await asyncio.sleep(1)
            if heard.runs.get("uid-deleted") == LOST:
                break
        assert heard.runs["uid-deleted"] == LOST
        assert number <= 181

    play(scene)


def test_what_is_to_be_read_is_read_though_a_list_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Scripted.live_runs
    failures = iter([True])

    async def live_runs(airflow: Scripted) -> list[DagRun]:
        if next(failures, False):
            raise AirflowUnreachable("503")
        return await listed(airflow)

    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        airflow.runs["since-before"] = "running"
        observer.follow("since-before", "uid-since-before", GENERIC, pod_ended=False, unread=True)
        await asyncio.sleep(10)
        assert heard.runs == {"uid-since-before": "running"}

    monkeypatch.setattr(Scripted, "live_runs", live_runs)
    play(scene)


def test_a_run_that_was_cleared_after_its_end_is_too_many_in_the_count() -> None:
    async def scene(_: Observer, airflow: Scripted, heard: Heard) -> None:
        await asyncio.sleep(10)
        airflow.runs["cleared"] = "queued"
        await asyncio.sleep(60)
        assert heard.runs == {"uid-cleared": "queued"}

    play(scene)


def test_runs_of_another_cluster_surprise_once_only() -> None:
    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        airflow.runs |= {f"foreign-{number}": "running" for number in range(5)}
        follow(observer, airflow, "ours")
        await asyncio.sleep(3000)

    assert play(scene).asked["pages"] == 1


def test_many_runs_are_not_listed_again_at_every_surprise() -> None:
    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        follow(observer, airflow, *(f"run-{number}" for number in range(10_000)))
        for number in range(59):
            airflow.runs[f"foreign-{number}"] = "running"
            await asyncio.sleep(60)

    assert play(scene).asked["pages"] <= 6 * 101


def test_an_end_that_airflow_does_not_tell_is_asked_for_ever_more_rarely_and_read_by_itself() -> None:
    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        follow(observer, airflow, "stuck")
        await asyncio.sleep(1)
        observer.pod_moved("stuck", ended=True)
        await asyncio.sleep(600)

    asked = play(scene).asked
    assert asked["tasks"] <= 90
    assert 1 <= asked["read"] <= 60


def test_runs_known_since_a_start_are_listed_once() -> None:
    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        airflow.runs |= {f"run-{number}": "running" for number in range(3)}
        for number in range(4):
            observer.follow(f"run-{number}", f"uid-run-{number}", GENERIC, unread=True)
            observer.pod_moved(f"run-{number}", ended=False)
        await asyncio.sleep(30)
        assert heard.runs == {f"uid-run-{number}": "running" for number in range(3)} | {"uid-run-3": LOST}

    asked = play(scene).asked
    assert (asked["pages"], asked["read"]) == (1, 1)


def test_a_job_that_cannot_hear_keeps_no_other_from_hearing() -> None:
    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        follow(observer, airflow, "acj-a-1", "acj-b-1")
        heard.poisoned = "uid-acj-a-1"
        for run in ("acj-a-1", "acj-b-1"):
            end(observer, airflow, run)
        await asyncio.sleep(10)
        assert heard.runs["uid-acj-b-1"] == "success"

    play(scene)


def test_a_run_that_may_not_be_seen_keeps_no_other_from_being_followed() -> None:
    """Neither as one to be stopped, nor as one that is followed; and it is not taken for lost."""

    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        follow(observer, airflow, "seen", "hidden")
        await asyncio.sleep(1)
        airflow.hidden = {"hidden", "of a typing error"}
        airflow.runs.pop("hidden")
        observer.abandon("another", "of a typing error")
        await asyncio.sleep(300)
        assert heard.runs.get("uid-hidden") != LOST
        end(observer, airflow, "seen")
        await asyncio.sleep(5)
        assert heard.runs["uid-seen"] == "success"
        await asyncio.sleep(600)
        before = airflow.asked["read"]
        observer.forget("hidden")
        await asyncio.sleep(300)
        assert airflow.asked["read"] == before, "what cannot be stopped is given up"

    play(scene)
