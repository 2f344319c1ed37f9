"""Attempts by cause: pauses, disruptions, what becomes of earlier pods, and restarts at each of these moments."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from dynamic_pod import contract, outcome, policy
from tests.unit.dynamic_pod.acting import Act, again, play
from tests.unit.dynamic_pod.fake_cluster import FakeCluster, now, until

EXIT_42 = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
QUOTA = (403, "Forbidden", 'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1')


def recorded(fake: FakeCluster, name: str) -> Any:
    return json.loads(fake.pods[name]["metadata"]["annotations"][contract.ANNOTATION_ATTEMPTS])


def told(act: Act, words: str) -> bool:
    return any(words in line for line in act.log.lines)


def test_the_next_attempt_waits_for_its_pause() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end_at = now()
        fake.end(first := await fake.pod(1), exit_code=1)
        await until(lambda: told(act, "next attempt begins in"))
        await asyncio.sleep(0.1)
        assert list(fake.pods) == [first], "the ended pod stays for the time of the pause"
        fake.end(await fake.pod(2))
        assert (await act.end()).succeeded

    play(scene, retries=1, backoff={"initialSeconds": 2})


def test_a_restarted_runner_does_not_wait_anew() -> None:
    async def scene(fake: FakeCluster, first: Act, restart: Callable[[], Act]) -> None:
        fake.end_at = now()
        fake.end(await fake.pod(1), exit_code=1, message="no")
        await until(lambda: told(first, "next attempt begins in 3"))
        await first.kill()
        fake.end_at = now(-3590)
        fake.end(next(iter(fake.pods)), exit_code=1, message="no")
        second = restart()
        await until(lambda: any(re.search(r"next attempt begins in \d\d? s", line) for line in second.log.lines))

    again(scene, retries=1, backoff={"initialSeconds": 3600, "capSeconds": 3600})


def test_a_stop_during_the_pause_leaves_nothing() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end_at = now()
        fake.end(await fake.pod(1), exit_code=1)
        await until(lambda: told(act, "next attempt begins in"))
        await act.kill()
        await act.runner.kill()
        assert not fake.pods
        assert len(fake.bodies) == 2, "one pod made, one deleted"

    play(scene, retries=1, backoff={"initialSeconds": 100})


def test_a_vanished_pod_is_recorded_at_once_by_one_that_waits() -> None:
    """Nothing else in the cluster would know of the attempt for as long as the pause takes."""

    async def scene(fake: FakeCluster, act: Act) -> None:
        first = await fake.pod(1)
        fake.start(first)
        await fake.watched()
        fake.vanish(first)
        second = await fake.pod(2)
        assert fake.pods[second]["spec"]["schedulingGates"] == [{"name": outcome.GATE}]
        assert [one["reason"] for one in recorded(fake, second)] == ["PodDeleted"]
        await until(lambda: "schedulingGates" not in fake.pods[second]["spec"])
        assert told(act, "next attempt begins in")
        fake.end(second)
        assert [one.get("cause") for one in (await act.end()).attempts] == ["Disruption", None]

    play(scene, backoff={"initialSeconds": 1})


def test_a_restarted_runner_lets_the_waiting_pod_go_on() -> None:
    async def scene(fake: FakeCluster, first: Act, restart: Callable[[], Act]) -> None:
        name = await fake.pod(1)
        fake.start(name)
        await fake.watched()
        fake.vanish(name)
        second = await fake.pod(2)
        await until(lambda: told(first, "next attempt begins in"))
        await first.kill()
        fake.pods[second]["metadata"]["creationTimestamp"] = now(-3600)
        act = restart()
        await until(lambda: "schedulingGates" not in fake.pods[second]["spec"])
        fake.end(second)
        end = await act.end()
        assert [(one["number"], one["reason"]) for one in end.attempts] == [(1, "PodDeleted"), (2, "Completed")]

    again(scene, backoff={"initialSeconds": 600, "capSeconds": 600})


def test_a_waiting_pod_that_is_deleted_by_hand_is_one_more_disruption() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod(1)
        await fake.watched()
        fake.vanish(name)
        fake.vanish(await fake.pod(2))
        fake.end(await fake.pod(3))
        assert [one["reason"] for one in (await act.end()).attempts] == ["PodDeleted", "PodDeleted", "Completed"]

    play(scene)


def test_no_pod_is_made_while_the_one_before_may_still_run() -> None:
    """A node that is lost does not say that its containers ended: the pod stays, being deleted, until somebody does."""

    async def scene(fake: FakeCluster, act: Act) -> None:
        first = await fake.pod(1)
        fake.start(first)
        await fake.watched()
        fake.disrupt(first, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
        await until(lambda: told(act, "being deleted (Taint manager"))
        fake.disrupt(first, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
        await asyncio.sleep(0.1)
        assert list(fake.pods) == [first]
        assert sum("being deleted" in line for line in act.log.lines) == 1
        fake.vanish(first)
        fake.end(await fake.pod(2))
        assert [one["reason"] for one in (await act.end()).attempts] == ["NodeLost", "Completed"]

    play(scene)


def test_the_end_counts_as_it_was_first_told() -> None:
    """Once the kubelet is done with a deleted pod, its deletion looks as if it had been asked for after the end."""

    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod(1)
        fake.start(name)
        await fake.watched()
        pod = fake.pods[name]
        pod["metadata"] |= {"deletionTimestamp": "2026-11-22T10:00:07Z", "deletionGracePeriodSeconds": 1}
        fake.end(name, exit_code=137)
        pod = fake.pods[name]
        pod["metadata"] |= {"deletionTimestamp": "2026-11-22T10:00:10Z", "deletionGracePeriodSeconds": 0}
        fake._put("MODIFIED", pod)
        fake.vanish(name)
        fake.end(await fake.pod(2))
        assert (await act.end()).attempts[0]["reason"] == "PodDeleted"

    play(scene)


def test_disruptions_come_to_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "DISRUPTION_LIMIT", 2)

    async def scene(fake: FakeCluster, act: Act) -> None:
        for number in (1, 2, 3):
            name = await fake.pod(number)
            await fake.watched()
            fake.vanish(name)
        end = await act.end()
        assert not end.succeeded
        assert [one["cause"] for one in end.attempts] == ["Disruption"] * 3
        assert told(act, "none of 2 disruptions is left")

    play(scene, retries=5)


def test_failjob_ends_the_task_for_good() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod(1), exit_code=1)
        fake.end(await fake.pod(2), exit_code=42)
        end = await act.end()
        assert (end.succeeded, end.final, len(end.attempts)) == (False, True, 2)

    play(scene, retries=5, pod_failure_policy=EXIT_42)


def test_a_restart_keeps_the_causes() -> None:
    async def scene(fake: FakeCluster, first: Act, restart: Callable[[], Act]) -> None:
        name = await fake.pod(1)
        await fake.watched()
        fake.vanish(name)
        fake.end(await fake.pod(2), exit_code=1)
        third = await fake.pod(3)
        await first.kill()
        act = restart()
        fake.end(third, exit_code=1)
        end = await act.end()
        assert [one["cause"] for one in end.attempts] == ["Disruption", "Failure", "Failure"]

    again(scene, retries=1)


# What becomes of pods.


@pytest.mark.parametrize(
    ("action", "left_of_earlier", "left_of_success"),
    [
        (None, False, False),
        ("delete_pod", False, False),
        ("delete_succeeded_pod", True, False),
        ("keep_pod", True, True),
    ],
)
def test_ended_pods_go_or_stay(action: str | None, left_of_earlier: bool, left_of_success: bool) -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(first := await fake.pod(1), exit_code=1)
        fake.end(second := await fake.pod(2))
        await act.end()
        await act.runner.clean_up()
        assert (first in fake.pods, second in fake.pods) == (left_of_earlier, left_of_success)

    play(scene, retries=1, on_finish_action=action or "delete_pod")


@pytest.mark.parametrize(("action", "left"), [("delete_pod", 0), ("delete_succeeded_pod", 1), ("keep_pod", 1)])
def test_a_failed_pod_goes_or_stays(action: str, left: int) -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod(1), exit_code=1)
        await act.end()
        await act.runner.clean_up()
        assert len(fake.pods) == left

    play(scene, on_finish_action=action)


def test_a_kill_deletes_what_runs_with_its_own_grace_and_keeps_what_ended_and_shall_stay() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(first := await fake.pod(1), exit_code=1)
        fake.start(await fake.pod(2))
        await act.kill()
        await act.runner.kill()
        assert list(fake.pods) == [first]
        assert "gracePeriodSeconds" not in fake.bodies[-1]

    play(scene, retries=1, on_finish_action="keep_pod")


@pytest.mark.parametrize(("action", "stays"), [("delete_pod", False), ("keep_pod", True)])
def test_a_quota_that_our_ended_pod_fills_is_made_room_in(action: str, stays: bool) -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        first = await fake.pod(1)
        fake.refuse("POST", QUOTA, *[QUOTA] * 2 * stays)
        fake.end(first, exit_code=1)
        second = await fake.pod(2)
        assert (first in fake.pods) is stays
        assert told(act, "exceeded quota") is stays
        fake.end(second)
        assert len((await act.end()).attempts) == 2

    play(scene, retries=1, on_finish_action=action)
