"""What following runs costs, and what it notices: in virtual time, hours of it, against a scripted Airflow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.airflow_http import Answer
from airflow_container_job.errors import AirflowError, AirflowUnreachable, DagDenied, RunRefused
from airflow_container_job.facts import LOST, DagRun, Trouble
from airflow_container_job.followed import RUN_AFTER_MARGIN
from airflow_container_job.observer import Observer

GENERIC = "container_job"
READ_SECONDS = 0.015
"""How long Airflow takes to answer for one run."""


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
        self.refusal: AirflowError = DagDenied("403")
        """What it answers for these."""
        self.stopped: list[str] = []
        self.run_after: dict[str, datetime] = {}
        """When runs were asked for; the others just now."""
        self.changed: dict[str, datetime] = {}
        """When runs that are over were marked otherwise."""
        self.behind = timedelta()
        """How far its clock is behind ours."""
        self.since: list[datetime] = []
        """From when on ends were asked for, in each question for ended tasks."""
        self.bounds: list[datetime | None] = []
        """Before which `run_after` no run was asked about, in each question for ended tasks."""
        self.asked: Counter[str] = Counter()
        self.gate = SimpleNamespace(pause=0.0)

    @property
    def live(self) -> list[str]:
        return [run for run, state in self.runs.items() if state in ("queued", "running")]

    async def ended_tasks(self, _dag_id: str, since: datetime, run_after: datetime | None) -> list[DagRun]:
        self.asked["tasks"] += 1
        self.since.append(since)
        self.bounds.append(run_after)
        ended = [(run, at) for run, at in self.ended.items() if at >= since]
        return [DagRun(run, "success", at) for run, at in ended if not run_after or self._asked_for(run) >= run_after]

    def _asked_for(self, run: str) -> datetime:
        return self.run_after.setdefault(run, datetime.now(UTC))

    async def changed_runs(self, since: datetime) -> list[DagRun]:
        self.asked["changed"] += 1
        return [self._told(run) for run, at in self.changed.items() if at >= since]

    async def started_runs(self, _dag_id: str, _since: datetime) -> list[DagRun]:
        self.asked["started"] += 1
        return []

    async def count_live_runs(self) -> int:
        self.asked["count"] += 1
        return len(self.live)

    async def live_runs(self) -> list[DagRun]:
        self.asked["pages"] += 1 + len(self.live) // 100
        return [self._told(run) for run in self.live]

    async def read(self, _dag_id: str, dag_run_id: str) -> DagRun | None:
        self.asked["read"] += 1
        await asyncio.sleep(READ_SECONDS)
        if dag_run_id in self.hidden:
            raise self.refusal
        return self._told(dag_run_id) if dag_run_id in self.runs else None

    def _told(self, run: str) -> DagRun:
        return DagRun(run, self.runs[run], owner_uid=f"uid-{run}", run_after=self._asked_for(run))

    async def stop(self, _dag_id: str, dag_run_id: str) -> None:
        self.stopped.append(dag_run_id)
        self.runs[dag_run_id] = "failed"

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


def play(scene: Scene, airflow: Scripted | None = None) -> Scripted:
    """Let an observer run beside this scene, in virtual time."""
    airflow, heard = airflow or Scripted(), Heard()

    async def main() -> None:
        observer = Observer(cast("AirflowApi", airflow), GENERIC, 60)
        observer.report_to(heard)
        task = asyncio.create_task(observer.run())
        await scene(observer, airflow, heard)
        task.cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    return airflow


def follow(observer: Observer, airflow: Scripted, *names: str, run_after: datetime | None = None) -> None:
    """Follow runs whose containers run, and which were asked for then (None: just now)."""
    for name in names:
        airflow.runs[name] = "running"
        airflow.run_after[name] = run_after or datetime.now(UTC)
        observer.follow(name, f"uid-{name}", GENERIC, run_after=airflow.run_after[name])
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


def test_ends_are_asked_for_of_no_run_older_than_those_that_should_be_over() -> None:
    """However old others are: Airflow reads all tasks of the time that is asked about, each time."""

    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        month_ago, hour_ago = (datetime.now(UTC) - timedelta(days=30), datetime.now(UTC) - timedelta(hours=1))
        follow(observer, airflow, "of-a-month", run_after=month_ago)
        follow(observer, airflow, "of-an-hour", run_after=hour_ago)
        follow(observer, airflow, "young")
        await asyncio.sleep(30)
        end(observer, airflow, "of-an-hour")
        end(observer, airflow, "young")
        await asyncio.sleep(2)
        assert heard.runs == {"uid-of-an-hour": "success", "uid-young": "success"}
        assert airflow.bounds == [hour_ago - RUN_AFTER_MARGIN]
        end(observer, airflow, "of-a-month")
        await asyncio.sleep(2)
        assert heard.runs["uid-of-a-month"] == "success"

    play(scene)


def test_ends_are_asked_for_of_any_run_while_it_is_not_known_how_old_one_is() -> None:
    """As after a start, until all are listed."""

    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        asked_for = datetime.now(UTC) - timedelta(hours=1)
        for name in ("ended", "starting"):
            airflow.runs[name] = "running"
            airflow.run_after[name] = asked_for
            observer.follow(name, f"uid-{name}", GENERIC, unread=True)
        airflow.ended["ended"] = datetime.now(UTC)
        await asyncio.sleep(6)
        assert heard.runs == {"uid-ended": "success", "uid-starting": "running"}
        assert airflow.bounds[0] is None
        assert set(airflow.bounds[1:]) == {asked_for - RUN_AFTER_MARGIN}

    play(scene)


def test_an_end_that_was_stamped_by_a_slow_clock_is_found_once_it_is_overdue() -> None:
    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        follow(observer, airflow, "fast", "slow")
        await asyncio.sleep(20)
        end(observer, airflow, "fast")
        await asyncio.sleep(2)
        end(observer, airflow, "slow")
        airflow.ended["slow"] -= timedelta(seconds=10)
        await asyncio.sleep(9)
        assert heard.runs == {"uid-fast": "success", "uid-slow": "success"}

    assert "read" not in play(scene).asked


def test_for_an_end_that_never_comes_no_question_reaches_far_back_for_ever() -> None:
    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        follow(observer, airflow, "stuck", "ours")
        await asyncio.sleep(20)
        end(observer, airflow, "ours")
        observer.pod_moved("stuck", ended=True)
        await asyncio.sleep(600)
        far = [since for since in airflow.since if since < airflow.ended["ours"] - timedelta(seconds=20)]
        assert 3 <= len(far) <= 7  # two of them before the first end

    play(scene)


@pytest.mark.parametrize("behind", [0, 60])
def test_a_mark_is_noticed_though_airflows_clock_is_behind(behind: int) -> None:
    async def scene(_: Observer, airflow: Scripted, heard: Heard) -> None:
        airflow.behind = timedelta(seconds=behind)
        await asyncio.sleep(100)
        airflow.runs["marked"] = "failed"
        airflow.changed["marked"] = datetime.now(UTC) - airflow.behind
        await asyncio.sleep(20)
        assert heard.runs == {"uid-marked": "failed"}

    play(scene)


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


@pytest.mark.parametrize("refusal", [DagDenied("403"), Answer(500, "this DAG cannot be read")])
def test_a_run_that_may_not_be_seen_keeps_no_other_from_being_followed(refusal: AirflowError) -> None:
    """Neither as one to be stopped, nor as one that is followed; and it is not taken for lost."""

    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        follow(observer, airflow, "seen", "hidden")
        await asyncio.sleep(1)
        airflow.hidden, airflow.refusal = {"hidden", "of a typing error"}, refusal
        airflow.runs.pop("hidden")
        observer.abandon("another", "of a typing error", may_come=True)
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


def test_a_crowd_of_runs_that_nobody_wants_does_not_hold_up_the_news_of_an_end() -> None:
    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        follow(observer, airflow, "ours")
        crowd = [f"old-{number}" for number in range(500)]
        airflow.runs |= dict.fromkeys(crowd[:250], "success") | dict.fromkeys(crowd[250:], "running")
        await asyncio.sleep(5)
        for name in crowd:
            observer.abandon(GENERIC, name)
        await asyncio.sleep(2)  # they are being looked for
        end(observer, airflow, "ours")
        await asyncio.sleep(1.6)
        assert heard.runs == {"uid-ours": "success"}
        await asyncio.sleep(10)
        assert sorted(airflow.stopped) == sorted(crowd[250:])
        assert airflow.asked["read"] == 500

    play(scene)


def test_a_crowd_of_runs_that_were_deleted_does_not_hold_up_the_news_of_an_end() -> None:
    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        crowd = [f"deleted-{number}" for number in range(500)]
        follow(observer, airflow, "ours", *crowd)
        await asyncio.sleep(59)
        for name in crowd:
            del airflow.runs[name]
        await asyncio.sleep(2)  # they are being read
        end(observer, airflow, "ours")
        await asyncio.sleep(1.6)
        assert heard.runs.pop("uid-ours") == "success"
        await asyncio.sleep(8)
        assert heard.runs == {f"uid-{name}": LOST for name in crowd}

    play(scene)


def test_a_run_that_nobody_wants_and_that_is_gone_is_looked_for_once() -> None:
    async def scene(observer: Observer, _airflow: Scripted, _heard: Heard) -> None:
        for number in range(12):
            observer.abandon(GENERIC, f"purged-{number}")
        await asyncio.sleep(700)

    assert play(scene).asked["read"] == 12


def test_a_run_that_may_be_made_yet_is_looked_for_and_ended_when_it_comes() -> None:
    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        observer.abandon(GENERIC, "late", may_come=True)
        observer.abandon(GENERIC, "never", may_come=True)
        await asyncio.sleep(300)
        airflow.runs["late"] = "queued"
        await asyncio.sleep(65)
        assert airflow.stopped == ["late"]
        await asyncio.sleep(300)
        before = airflow.asked["read"]
        await asyncio.sleep(300)
        assert airflow.asked["read"] == before, "what never came is given up"

    play(scene)


@pytest.mark.parametrize("trouble", [AirflowUnreachable("503"), RunRefused("409: it cannot be stopped")])
def test_a_run_that_cannot_be_ended_now_is_ended_later_and_keeps_no_other_from_it(trouble: AirflowError) -> None:
    class Troubled(Scripted):
        async def stop(self, dag_id: str, dag_run_id: str) -> None:
            if dag_run_id == "first" and self.asked["read"] < 4:
                raise trouble
            await super().stop(dag_id, dag_run_id)

    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        airflow.runs |= {"first": "running", "second": "running"}
        observer.abandon(GENERIC, "first")
        observer.abandon(GENERIC, "second")
        await asyncio.sleep(200)
        assert sorted(airflow.stopped) == ["first", "second"]

    play(scene, Troubled())
