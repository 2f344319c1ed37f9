"""A resource's way through the operator while nothing breaks: what is asked of Airflow, what the status says."""

from __future__ import annotations

import json

import pytest

from tests.support.wait import stays, until
from tests.support.world import ENDED, STARTED, World, conditions, now

ATTEMPT = {"number": 1, "startedAt": STARTED, "finishedAt": ENDED}


def test_from_apply_to_success(world: World) -> None:
    run = world.triggered("hello", args=["{{ 7*7 }}"], env=[{"name": "A", "value": "b"}])
    pod = world.add_pod("hello")
    world.pod_runs(pod)
    world.wait("hello", "Running")
    world.pod_ends(pod, message='{"lines": 3}')
    world.airflow.finish(run, "success")
    status = world.wait("hello", "Succeeded", "Completed")
    until("the finalizer is gone", lambda: world.released("hello"))

    assert run == f"acj-{world.namespace.job('hello')['metadata']['uid']}-1"
    assert status["result"] == {"lines": 3}
    assert status["exitCode"] == 0
    assert status["attempt"] == 1
    assert status["attempts"] == [ATTEMPT | {"podName": pod, "reason": "Completed", "exitCode": 0}]
    assert (status["startTime"], status["completionTime"]) == (STARTED, ENDED)
    assert (status["dagId"], status["dagRunState"]) == ("container_job", "success")
    assert status["dagRunUrl"] == f"{world.airflow.url}/dags/container_job/runs/{run}"
    assert conditions(status) == {
        "Triggered": "True",
        "Finished": "True",
        "Succeeded": "True",
        "ResultStored": "True",
    }
    (entry,) = status["runs"]
    assert entry == {
        "number": 1,
        "dagRunId": run,
        "phase": "Succeeded",
        "reason": "Completed",
        "exitCode": 0,
        "attempts": 1,
        "startTime": STARTED,
        "completionTime": ENDED,
    }
    assert len(world.runs_of("hello")) == 1


def test_the_conf_carries_the_spec(world: World) -> None:
    run = world.triggered(
        "conf",
        args=["{{ 7*7 }}"],
        env=[{"name": "A", "value": "b"}],
        backoffLimit=2,
        podMetadata={"labels": {"a": "b"}},
    )
    (found,) = world.runs_of("conf")
    conf = found["conf"]
    owner = conf.pop("owner_reference")
    assert run == found["dag_run_id"]
    assert conf == {
        "docker_image_name": "busybox:1.35",
        "commands": ["true"],
        "arguments": ["{{ 7*7 }}"],
        "env_vars": [{"name": "A", "value": "b"}],
        "retries": 2,
        "labels": {"a": "b"},
        "namespace": world.namespace.name,
        "name": "conf",
    }
    assert (owner["kind"], owner["name"]) == ("AirflowContainerJob", "conf")
    assert owner["uid"] == world.namespace.job("conf")["metadata"]["uid"]


def test_a_container_that_fails(world: World) -> None:
    run = world.triggered("fails")
    pod = world.add_pod("fails")
    world.pod_ends(pod, exit_code=3, message="last words\n")
    world.airflow.finish(run, "failed")
    status = world.wait("fails", "Failed", "Error")
    assert status["exitCode"] == 3
    assert status["message"] == "last words"
    assert conditions(status) == {"Triggered": "True", "Finished": "True", "Succeeded": "False"}


def test_what_a_pod_waits_for_is_shown_once(world: World) -> None:
    """The kubelet alternates between two words, with ever new messages: none of that is written again."""
    with world.namespace.watch() as watch:
        world.triggered("pulls")
        pod = world.add_pod("pulls")
        world.pod_waits(pod, "ErrImagePull", "not found")
        status = world.wait("pulls", "Queued", "ImagePullBackOff")
        assert status["message"] == "not found"
        watch.catch_up()
        before = watch.writes("pulls")
        world.pod_waits(pod, "ImagePullBackOff", "Back-off 10s")
        world.pod_waits(pod, "ErrImagePull", "still not found")
        stays("one message for one trouble", lambda: watch.writes("pulls") == before, seconds=3)
    world.namespace.delete("pulls")
    world.wait_gone("pulls")


def test_an_end_whose_pod_was_never_seen(world: World) -> None:
    """Airflow keeps what the pods told: the attempts and the result."""
    run = world.triggered("unseen")
    attempts = [
        {"number": 1, "podName": "unseen-1", "reason": "Evicted"},
        ATTEMPT | {"number": 2, "podName": "unseen-2", "reason": "Completed", "exitCode": 0},
    ]
    world.airflow.set_xcom(run, "outcome", json.dumps({"attempts": attempts, "result": [1, "two"]}))
    world.airflow.finish(run, "success")
    status = world.wait("unseen", "Succeeded", "Completed")
    assert status["attempts"] == attempts
    assert status["attempt"] == 2
    assert status["result"] == [1, "two"]


@pytest.mark.parametrize(
    ("problem", "words"), [("ResultTooLarge", "more than 4096 bytes"), ("ResultNotJSON", "not hold JSON")]
)
def test_what_is_no_result_is_said_and_the_end_stands(world: World, problem: str, words: str) -> None:
    name = problem.lower()
    run = world.triggered(name)
    attempts = [ATTEMPT | {"number": 1, "podName": "p", "reason": "Completed", "exitCode": 0}]
    world.airflow.set_xcom(run, "outcome", {"attempts": attempts, "resultProblem": problem})
    world.airflow.finish(run, "success")
    status = world.wait(name, "Succeeded", "Completed")
    assert "result" not in status
    (told,) = (one for one in status["conditions"] if one["type"] == "ResultStored")
    assert (told["status"], told["reason"]) == ("False", problem)
    assert words in told["message"]


def test_a_pod_that_leaves_text_for_a_result(world: World) -> None:
    run = world.triggered("texter")
    pod = world.add_pod("texter")
    world.pod_ends(pod, message="just words")
    world.airflow.finish(run, "success")
    status = world.wait("texter", "Succeeded", "Completed")
    assert conditions(status)["ResultStored"] == "False"


def test_the_ways_of_an_attempt_are_shown(world: World) -> None:
    """The pods tell which attempt this is and what the earlier ones came to; the cause is the task's to know."""
    run = world.triggered("tries", backoffLimit=1)
    first = world.add_pod("tries")
    world.pod_runs(first)
    world.wait("tries", "Running")
    world.pod_ends(first, exit_code=3, at=now())
    status = world.wait("tries", "Queued", "Retrying")
    assert "exit code 3" in status["message"]
    failed = {"number": 1, "podName": first, "reason": "Error", "exitCode": 3, "cause": "Failure"}
    second = world.add_pod("tries", 2, **{"acj.dev/attempts": json.dumps([failed])})
    world.pod_goes(first)
    world.pod_runs(second)
    status = world.wait("tries", "Running")
    assert (status["attempt"], status["podName"]) == (2, second)
    assert status["attempts"][0] == failed
    world.pod_ends(second)
    world.airflow.finish(run, "success")
    status = world.wait("tries", "Succeeded", "Completed")
    assert [one["number"] for one in status["attempts"]] == [1, 2]
    assert (status["exitCode"], status["runs"][0]["attempts"]) == (0, 2)


def test_a_conf_that_airflow_refuses(world: World) -> None:
    world.airflow.refuse_conf = "Invalid input for param env_vars: 5 is not of type 'string'"
    try:
        world.apply("refused")
        status = world.wait("refused", "Failed", "InvalidSpec")
    finally:
        world.airflow.refuse_conf = None
    assert "Invalid input for param env_vars" in status["message"]
    assert conditions(status)["Finished"] == "True"
    assert world.runs_of("refused") == []


def test_our_own_run_is_adopted(world: World) -> None:
    run, uid = suspended(world, "ours")
    world.airflow.create(run, {"owner_reference": {"uid": uid}})
    world.namespace.patch("ours", suspend=False)
    world.wait("ours", "Queued")
    assert world.run_id("ours") == run
    assert len(world.runs_of("ours")) == 1


def test_a_foreign_run_of_our_id_is_not_adopted(world: World) -> None:
    run, _ = suspended(world, "foreign")
    world.airflow.create(run, {"owner_reference": {"uid": "somebody-else"}})
    world.namespace.patch("foreign", suspend=False)
    status = world.wait("foreign", "Failed")
    assert run in status["message"]
    assert world.run_state(run) == "queued"


def test_deletion_stops_the_run_and_the_pod(world: World) -> None:
    run = world.triggered("deleted")
    pod = world.add_pod("deleted")
    world.pod_runs(pod)
    world.wait("deleted", "Running")
    world.namespace.delete("deleted")
    world.wait_gone("deleted", seconds=20)
    assert world.run_state(run) == "failed"
    until("the pod is gone", lambda: not world.has_pod(pod))


def test_deletion_of_a_finished_job_leaves_its_run(world: World) -> None:
    run = world.triggered("kept")
    world.airflow.finish(run, "success")
    world.wait("kept", "Succeeded")
    world.namespace.delete("kept")
    world.wait_gone("kept")
    assert world.run_state(run) == "success"


def suspended(world: World, name: str) -> tuple[str, str]:
    """Make a suspended resource: the id its next run will have, and its uid."""
    world.apply(name, suspend=True)
    world.wait(name, "Suspended")
    uid = world.namespace.job(name)["metadata"]["uid"]
    return f"acj-{uid}-2", uid
