"""What following runs costs, and how their ends and marks are noticed: in virtual time, hours of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from airflow_container_job.followed import RUN_AFTER_MARGIN
from airflow_container_job.observer import Observer
from tests.unit.operator.observed import GENERIC, Heard, Scripted, end, follow, play


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


def test_a_dag_of_ones_own_is_asked_what_has_begun_until_all_its_runs_have() -> None:
    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        for name in ("own", "another"):
            airflow.runs[name] = "running"
            observer.follow(name, f"uid-{name}", "etl")
        airflow.begun = {"own"}
        await asyncio.sleep(60)
        assert heard.runs == {"uid-own": "running"}
        airflow.begun = {"own", "another"}
        await asyncio.sleep(60)
        assert heard.runs == {"uid-own": "running", "uid-another": "running"}
        asked = airflow.asked["started"]
        await asyncio.sleep(300)
        assert airflow.asked["started"] == asked

    play(scene)


def test_an_end_that_airflow_does_not_tell_is_asked_for_ever_more_rarely_and_read_by_itself() -> None:
    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        follow(observer, airflow, "stuck")
        await asyncio.sleep(1)
        observer.pod_moved("stuck", ended=True)
        await asyncio.sleep(600)

    asked = play(scene).asked
    assert asked["tasks"] <= 90
    assert 1 <= asked["read"] <= 60


def test_a_job_that_cannot_hear_keeps_no_other_from_hearing() -> None:
    async def scene(observer: Observer, airflow: Scripted, heard: Heard) -> None:
        follow(observer, airflow, "acj-a-1", "acj-b-1")
        heard.poisoned = "uid-acj-a-1"
        for run in ("acj-a-1", "acj-b-1"):
            end(observer, airflow, run)
        await asyncio.sleep(10)
        assert heard.runs["uid-acj-b-1"] == "success"

    play(scene)
