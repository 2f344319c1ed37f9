"""The ways a pod can end, and what the task says of each."""

from __future__ import annotations

import pytest

from tests.unit.dynamic_pod.acting import Act, play
from tests.unit.dynamic_pod.fake_cluster import NAMESPACE, FakeCluster, until


def test_a_container_that_ends_well_gives_its_result_and_its_log() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.logs[name] = ["2026-11-22T10:00:00.000000001Z hello %s {{ 7*7 }}", "2026-11-22T10:00:00.000000002Z "]
        fake.start(name)
        await until(lambda: "hello %s {{ 7*7 }}" in act.log.lines)
        fake.end(name, message='{"lines": 2}')
        end = await act.end()
        assert end.succeeded
        assert end.xcoms() == {
            "return_value": {"lines": 2},
            "pod_name": name,
            "pod_namespace": NAMESPACE,
            "outcome": {
                "result": {"lines": 2},
                "attempts": [
                    {
                        "number": 1,
                        "podName": name,
                        "reason": "Completed",
                        "exitCode": 0,
                        "startedAt": "2026-11-22T10:00:00Z",
                        "finishedAt": "2026-11-22T10:00:09Z",
                    }
                ],
            },
        }
        assert act.log.lines[1:] == ["hello %s {{ 7*7 }}", ""]
        assert name in fake.pods, "the pod stays until the end is recorded"
        await act.runner.clean_up()
        assert not fake.pods

    play(scene)


def test_a_short_job_costs_five_requests() -> None:
    """The watch is not counted among them where other jobs have one already. The list tells of earlier attempts."""

    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.end(name)
        await act.end()
        await act.runner.clean_up()
        assert [request.split()[0] for request in fake.requests] == ["GET", "POST", "WATCH", "LOG", "DELETE"]

    play(scene)


def test_a_container_that_fails_tells_its_last_words() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.end(name, exit_code=3, message="line 1\nline 2\n")
        end = await act.end()
        assert not end.succeeded
        assert "return_value" not in end.xcoms()
        (attempt,) = end.attempts
        assert (attempt["reason"], attempt["exitCode"], attempt["message"]) == ("Error", 3, "line 1\nline 2")
        assert end.message == "Error (exit code 3)", "the words are in the log already"

    play(scene)


def test_a_failed_container_may_leave_a_result() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod(), exit_code=1, message='{"bad": 1}')
        assert (await act.end()).xcoms()["return_value"] == {"bad": 1}

    play(scene)


def test_what_is_no_json_is_no_result_but_a_warning() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod(), message="{oops")
        end = await act.end()
        assert end.succeeded
        assert "return_value" not in end.xcoms()
        assert "no result" in act.log.warnings[0]

    play(scene)


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        ({"reason": "Evicted", "message": "low on memory"}, "Evicted", "low on memory"),
        ({"reason": "DeadlineExceeded", "message": "too long"}, "DeadlineExceeded", "too long"),
    ],
)
def test_the_kubelets_word_on_the_pod_counts(status: dict[str, str], reason: str, message: str) -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod(), exit_code=137, status=status)
        end = await act.end()
        assert (end.attempts[0]["reason"], end.attempts[0]["message"]) == (reason, message)
        assert end.message == f"{reason} (exit code 137): {message}"

    play(scene)


def test_an_oom_kill_is_named() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod(), exit_code=137, reason="OOMKilled")
        assert (await act.end()).attempts[0]["reason"] == "OOMKilled"

    play(scene)


def test_a_pod_deleted_by_hand_is_followed_by_another() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.start(name)
        await fake.watched()
        fake.vanish(name)
        fake.end(await fake.pod(2))
        end = await act.end()
        assert end.attempts[0] == {
            "number": 1,
            "podName": name,
            "reason": "PodDeleted",
            "cause": "Disruption",
            "startedAt": "2026-11-22T10:00:00Z",
        }

    play(scene)


def test_a_failed_init_container_shows_its_log() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.logs[name] = ["2026-11-22T10:00:00.000000001Z cannot prepare"]
        ended = {"terminated": {"exitCode": 7, "reason": "Error"}}
        statuses = [{"name": "prepare", "state": ended}]
        fake._status(name, {"phase": "Failed", "initContainerStatuses": statuses})
        end = await act.end()
        assert end.attempts[0]["exitCode"] == 7
        assert "prepare" in end.attempts[0]["message"]
        assert act.log.lines[1:3] == ["Log of init container prepare:", "cannot prepare"]
        assert "container=prepare" in fake.requests[-1]

    play(scene)
