"""Restarts and further attempts: a container never runs twice for one attempt, and none is forgotten."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

import pytest

from dynamic_pod import contract, manifest
from dynamic_pod.runner import Runner
from tests.unit.dynamic_pod.acting import VALUES, Act, again, play
from tests.unit.dynamic_pod.fake_cluster import IDENTITY, NAMESPACE, FakeCluster, Recorder, until

QUOTA = (403, "Forbidden", 'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1')


def test_a_restarted_runner_adopts_its_running_pod() -> None:
    async def scene(fake: FakeCluster, first: Act, restart: Callable[[], Act]) -> None:
        name = await fake.pod()
        fake.logs[name] = ["2026-11-22T10:00:00.000000001Z one"]
        fake.start(name)
        await until(lambda: "one" in first.log.lines)
        await first.kill()
        second = restart()
        await until(lambda: "one" in second.log.lines)
        fake.logs[name].append("2026-11-22T10:00:05.000000001Z two")
        fake.end(name)
        assert (await second.end()).succeeded
        assert "found again" in second.log.lines[0]
        assert second.log.lines[1:] == ["one", "two"]
        assert len(fake.pods) == 1
        assert fake.count("DELETE") == 0

    again(scene)


def test_a_restarted_runner_finds_the_pod_that_ended_meanwhile() -> None:
    async def scene(fake: FakeCluster, first: Act, restart: Callable[[], Act]) -> None:
        name = await fake.pod()
        fake.start(name)
        await first.kill()
        fake.end(name, exit_code=5, message="died")
        end = await restart().end()
        assert (end.attempts[0]["exitCode"], end.attempts[0]["podName"]) == (5, name)

    again(scene)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("refusal", [QUOTA, (403, "Forbidden", "violates PodSecurity restricted")])
def test_what_would_be_refused_now_is_found_all_the_same(refusal: tuple[int, str, str], ended: bool) -> None:
    """Quotas and rules are asked before anybody looks whether the pod exists."""

    async def scene(fake: FakeCluster, first: Act, restart: Callable[[], Act]) -> None:
        name = await fake.pod()
        fake.start(name)
        await fake.watched()
        await first.kill()
        if ended:
            fake.end(name)
        fake.refuse("POST", refusal)
        second = restart()
        await until(lambda: any("found again" in line for line in second.log.lines))
        fake.end(name)
        assert (await second.end()).succeeded
        assert (fake.count("POST"), fake.count("DELETE")) == (1, 0)

    again(scene)


def test_a_pod_that_goes_while_a_restarted_runner_looks_for_it_has_been_an_attempt() -> None:
    async def run() -> None:
        fake = FakeCluster()
        async with fake.serve() as cluster:
            first = Act(cluster, VALUES)
            name = await fake.pod()
            fake.start(name)
            await fake.watched()
            await first.kill()
            fake.goes_when_read = name
            second = Act(cluster, VALUES)
            fake.end(await fake.pod(2))
            assert [one["reason"] for one in (await second.end()).attempts] == ["PodDeleted", "Completed"]

    asyncio.run(run())


def test_a_pod_whose_answer_got_lost_is_found_though_it_took_the_last_of_the_quota() -> None:
    async def run() -> None:
        fake = FakeCluster()
        fake.lost_answers = 1
        async with fake.serve() as cluster:
            act = Act(cluster, VALUES)
            name = await fake.pod()
            fake.refuse("POST", *[QUOTA] * 1000)
            fake.end(name)
            assert (await act.end()).succeeded
            assert list(fake.pods) == [name]

    asyncio.run(run())


@pytest.mark.parametrize("stop", [False, True])
def test_a_further_try_ends_what_runs_of_those_before_it(stop: bool) -> None:
    """And nothing of a later one, which a triggerer that was late may find."""

    async def run() -> None:
        fake = FakeCluster()
        identities = [dataclasses.replace(IDENTITY, try_number=number, ti_id=f"id-{number}") for number in (1, 2, 3)]
        other = dataclasses.replace(IDENTITY, task_id="other")
        async with fake.serve() as cluster:
            before, this, after = [manifest.build(VALUES, one, 1)["metadata"]["name"] for one in identities]
            for identity in (identities[0], identities[2], other):
                await cluster.api.create_pod(NAMESPACE, manifest.build(VALUES, identity, 1))
            runner = Runner(cluster, identities[1], {**VALUES, "on_finish_action": "keep_pod"}, Recorder())
            if stop:
                await runner.kill()
                assert before not in fake.pods
            else:
                running = asyncio.create_task(runner.run())
                await until(lambda: this in fake.pods and before not in fake.pods)
                running.cancel()
            assert after in fake.pods
            assert manifest.build(VALUES, other, 1)["metadata"]["name"] in fake.pods

    asyncio.run(run())


def test_a_pod_of_the_same_name_that_is_not_ours_is_left_alone() -> None:
    async def run() -> None:
        fake = FakeCluster()
        async with fake.serve() as cluster:
            first = Act(cluster, VALUES)
            name = await fake.pod()
            await first.kill()
            fake.pods[name]["metadata"]["labels"][contract.LABEL_TASK] = "somebody-else"
            end = await Act(cluster, VALUES).end()
            assert not end.succeeded
            assert "not this task's" in end.attempts[0]["message"]
            assert name in fake.pods
            assert fake.count("DELETE") == 0

    asyncio.run(run())


def test_a_create_that_was_never_answered_is_not_done_twice() -> None:
    """The server made the pod, its answer got lost: asked again it says that the pod exists."""

    async def run() -> None:
        fake = FakeCluster()
        async with fake.serve() as cluster:
            await cluster.api.create_pod(NAMESPACE, manifest.build(VALUES, IDENTITY, 1))
            act = Act(cluster, VALUES)
            fake.end(await fake.pod())
            assert (await act.end()).succeeded
            assert len(fake.pods) == 1

    asyncio.run(run())


def test_attempts_follow_each_other_and_each_records_those_before() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(first := await fake.pod(1), exit_code=1, message="no")
        fake.end(second := await fake.pod(2), exit_code=2)
        await until(lambda: first not in fake.pods)
        fake.end(third := await fake.pod(3))
        end = await act.end()
        assert end.succeeded
        assert [(one["number"], one["podName"]) for one in end.attempts] == [(1, first), (2, second), (3, third)]
        assert list(fake.pods) == [third]
        assert end.xcoms()["pod_name"] == third
        assert not any("Deleting" in line for line in act.log.lines), "each line costs Airflow several transactions"

    play(scene, retries=2)


def test_no_more_attempts_than_asked_for() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod(1), exit_code=1)
        fake.end(await fake.pod(2), exit_code=1)
        end = await act.end()
        assert not end.succeeded
        assert len(end.attempts) == 2

    play(scene, retries=1)


def test_a_restarted_runner_goes_on_at_the_right_attempt() -> None:
    async def scene(fake: FakeCluster, first: Act, restart: Callable[[], Act]) -> None:
        fake.end(await fake.pod(1), exit_code=1, message="no")
        second_pod = await fake.pod(2)
        await until(lambda: fake.count("DELETE") == 1)
        await first.kill()
        second = restart()
        await until(lambda: any("found again" in line for line in second.log.lines))
        fake.end(second_pod)
        end = await second.end()
        assert [one["number"] for one in end.attempts] == [1, 2]
        assert end.attempts[0]["message"] == "no"
        assert sum(body.get("kind") == "Pod" and body["metadata"]["name"].endswith("-1") for body in fake.bodies) == 1

    again(scene, retries=1)


def test_a_runner_killed_between_two_attempts_leaves_no_pod_behind() -> None:
    """The next pod was made, the one before not yet deleted."""

    async def scene(fake: FakeCluster, first: Act, restart: Callable[[], Act]) -> None:
        fake.refuse("DELETE", *[(503, "ServiceUnavailable", "")] * 1000)
        fake.end(await fake.pod(1), exit_code=1)
        second_pod = await fake.pod(2)
        await until(lambda: fake.count("DELETE") > 0)
        await first.kill()
        fake.refusals.clear()
        second = restart()
        await until(lambda: list(fake.pods) == [second_pod])
        fake.end(second_pod)
        assert len((await second.end()).attempts) == 2

    again(scene, retries=1)
