"""What the count and the list of all live runs notice, and when they are asked for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from airflow_container_job.errors import AirflowUnreachable
from airflow_container_job.facts import LOST, DagRun
from airflow_container_job.observer import Observer
from tests.unit.operator.observed import GENERIC, Heard, Scripted, end, follow, play


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


def test_runs_of_another_cluster_that_end_surprise_nobody() -> None:
    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        airflow.runs |= {f"foreign-{number}": "running" for number in range(5)}
        follow(observer, airflow, "ours")
        await asyncio.sleep(300)
        for number in range(5):
            airflow.runs[f"foreign-{number}"] = "success"
            airflow.changed[f"foreign-{number}"] = datetime.now(UTC)
            await asyncio.sleep(100)

    assert play(scene).asked["pages"] == 1


def test_runs_that_were_listed_before_their_resources_were_known_surprise_nobody() -> None:
    """As after a start with so many that they are not all known when the first of them is to be read."""

    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        airflow.runs |= {f"run-{number}": "running" for number in range(5)}
        observer.follow("run-0", "uid-run-0", GENERIC, pod_ended=False, unread=True)
        await asyncio.sleep(10)
        follow(observer, airflow, *(f"run-{number}" for number in range(1, 5)))
        await asyncio.sleep(3000)

    assert play(scene).asked["pages"] == 1


def test_many_runs_are_not_listed_again_at_every_surprise() -> None:
    async def scene(observer: Observer, airflow: Scripted, _: Heard) -> None:
        follow(observer, airflow, *(f"run-{number}" for number in range(10_000)))
        for number in range(59):
            airflow.runs[f"foreign-{number}"] = "running"
            await asyncio.sleep(60)

    assert play(scene).asked["pages"] <= 6 * 101


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
