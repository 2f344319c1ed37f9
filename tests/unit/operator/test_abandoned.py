"""Runs that nobody wants any more are ended, whatever Airflow answers, and hold up nothing."""

from __future__ import annotations

import asyncio

import pytest

from airflow_container_job.airflow_http import Answer
from airflow_container_job.errors import AirflowError, AirflowUnreachable, DagDenied, RunRefused
from airflow_container_job.facts import LOST
from airflow_container_job.observer import Observer
from tests.unit.operator.observed import GENERIC, Heard, Scripted, end, follow, play


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
