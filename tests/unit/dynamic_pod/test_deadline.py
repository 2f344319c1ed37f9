"""The time all attempts may take together: who enforces it, and what of it pauses take."""

from __future__ import annotations

import pytest

from dynamic_pod import contract, deadline
from tests.unit.dynamic_pod.acting import Act, play
from tests.unit.dynamic_pod.fake_cluster import FakeCluster, now, until


def test_the_kubelet_is_given_the_deadline_once_the_container_runs() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        assert "activeDeadlineSeconds" not in fake.pods[name]["spec"]
        await fake.watched()
        state = {"running": {"startedAt": "2026-11-22T10:00:20Z"}}
        statuses = {"containerStatuses": [{"name": contract.CONTAINER, "state": state}]}
        fake._status(name, {"phase": "Running", "startTime": "2026-11-22T10:00:00Z", **statuses})
        await until(lambda: fake.count("PATCH") == 1)
        await until(lambda: fake.pods[name]["spec"].get("activeDeadlineSeconds") == 80)
        fake.end(name, exit_code=137)
        await act.end()
        assert fake.count("PATCH") == 1

    play(scene, active_deadline_seconds=60)


def test_no_attempt_follows_an_exceeded_deadline() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake._status(name, {"phase": "Failed", "reason": "DeadlineExceeded", "message": "too long"})
        end = await act.end()
        assert [one["reason"] for one in end.attempts] == ["DeadlineExceeded"]

    play(scene, retries=3, active_deadline_seconds=60)


def test_the_deadline_counts_over_all_attempts() -> None:
    """The containers of this test started long ago: nothing is left for a second one."""

    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod(), exit_code=1)
        assert len((await act.end()).attempts) == 1

    play(scene, retries=3, active_deadline_seconds=1)


def test_no_attempt_follows_where_the_pause_takes_all_the_time() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.start_at, fake.end_at = now(-20), now()
        fake.end(await fake.pod(), exit_code=1)
        assert len((await act.end()).attempts) == 1
        assert any("leaves no time" in line for line in act.log.lines)

    play(scene, retries=3, active_deadline_seconds=60, backoff={"initialSeconds": 50})


def test_a_further_attempt_has_the_time_that_is_left() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.start_at, fake.end_at = now(-20), now()
        fake.end(await fake.pod(), exit_code=1)
        second = await fake.pod(2)
        assert 30 < fake.pods[second]["spec"]["activeDeadlineSeconds"] <= 40
        fake.end(second)
        await act.end()

    play(scene, retries=3, active_deadline_seconds=60)


def test_a_pod_that_was_held_back_has_the_time_that_is_left_after_the_pause() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.start_at = now(-20)
        first = await fake.pod()
        fake.start(first)
        await fake.watched()
        fake.vanish(first)
        second = await fake.pod(2)
        before = fake.pods[second]["spec"]["activeDeadlineSeconds"]
        await until(lambda: "schedulingGates" not in fake.pods[second]["spec"])
        assert fake.pods[second]["spec"]["activeDeadlineSeconds"] < before
        fake.end(second)
        await act.end()

    play(scene, active_deadline_seconds=60, backoff={"initialSeconds": 2})


@pytest.mark.parametrize(
    ("pause", "since", "expected"),
    [(10, None, 10), (10, -4, 6), (10, -60, 0), (10, 60, 10), (0, 0, 0)],  # clocks of nodes may be ahead
)
def test_a_pause_counts_from_the_end_before_it(pause: int, since: int | None, expected: int) -> None:
    assert deadline.remaining(pause, None if since is None else now(since)) == pytest.approx(expected, abs=1.1)
