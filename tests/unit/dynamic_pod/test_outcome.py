"""What a pod's status means: the readings that the runner's tests do not reach."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.execution_time.comms import _new_encoder
from airflow.triggers.base import TaskSuccessEvent

from dynamic_pod import outcome


def ended(message: str = "", exit_code: int = 0, **metadata: Any) -> dict[str, Any]:
    state = {
        "exitCode": exit_code,
        "reason": "Error" if exit_code else "Completed",
        "message": message,
        "startedAt": "2026-11-22T10:00:00Z",
        "finishedAt": "2026-11-22T10:00:30Z",
    }
    statuses = [{"name": "base", "state": {"terminated": state}}]
    phase = "Failed" if exit_code else "Succeeded"
    return {"metadata": {"name": "p", **metadata}, "status": {"phase": phase, "containerStatuses": statuses}}


@pytest.mark.parametrize("number", ["", "x", "-1", "0", "1.5", "²", "1_0", " 1", "9" * 60])
def test_a_label_that_is_no_number_of_an_attempt_says_nothing(number: str) -> None:
    """Whoever may create pods writes it."""
    assert outcome.attempt(ended(labels={"acj.dev/attempt": number}))["number"] == 1


@pytest.mark.parametrize("text", ["", "x", "7", "{}", "[7]", pytest.param("[" * 100_000, id="deep")])
def test_earlier_attempts_that_are_not_as_we_write_them_are_none(text: str) -> None:
    assert outcome.earlier_attempts(ended(annotations={"acj.dev/attempts": text})) == []


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5, "x", null, true]}', '"text"', "0", "[]", " 1\n", "9223372036854775807"]
)
def test_json_is_a_result_that_the_triggerer_can_carry(text: str) -> None:
    result = outcome.result(ended(text))
    assert result.found
    event = TaskSuccessEvent(xcoms={"return_value": result.value})
    _new_encoder().encode(event.model_dump())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{oops",
        "NaN",
        "[Infinity]",
        "1e999",
        "9223372036854775808",
        '{"a": [-9223372036854775809]}',
        '"\\ud800"',
        '{"\\udfff": 1}',
        '["\\u0000"]',
        '{"__classname__": "airflow.sdk.Asset"}',
        '[{"__type": "datetime", "__var": 0}]',
        "[" * 60 + "]" * 60,
        "[" * 2000 + "]" * 2000,
    ],
)
def test_what_airflow_could_not_store_is_no_result(text: str) -> None:
    """Any of these in an XCom would stop the triggerer with all its tasks, or fail in PostgreSQL."""
    assert outcome.result(ended(text)) == (False, None, "ResultNotJSON" if text else None)


@pytest.mark.parametrize(
    ("text", "exit_code", "problem"),
    [
        ("x" * 4095, 0, "ResultNotJSON"),
        ("x" * 4096, 0, "ResultTooLarge"),
        ("1" * 4096, 0, "ResultTooLarge"),  # the end of a longer text may look like JSON
        ("\ufffd" * 1366, 0, "ResultTooLarge"),  # cut within a character: more bytes than were handed over
        (" \n", 0, None),
        ("x" * 2048, 1, None),  # a failed container's log
        ("é" * 1024, 1, None),
        ("x" * 2049, 1, "ResultNotJSON"),  # no log: the kubelet hands over no more of one
        ("x" * 4096, 1, "ResultTooLarge"),
    ],
)
def test_why_there_is_no_result(text: str, exit_code: int, problem: str | None) -> None:
    assert outcome.result(ended(text, exit_code)) == (False, None, problem)


def test_a_result_of_4096_bytes_is_one() -> None:
    text = '"' + "x" * 4094 + '"'
    assert outcome.result(ended(text)).value == "x" * 4094


@pytest.mark.parametrize(
    ("exit_code", "deletion", "grace", "reason"),
    [
        (143, "2026-11-22T10:00:59Z", 30, "PodDeleted"),  # asked at :29, ended at :30
        (0, "2026-11-22T10:00:59Z", 30, "Completed"),
        (3, "2026-11-22T10:01:05Z", 30, "Error"),  # asked at :35, when it had ended
        (137, "2026-11-22T10:00:30Z", 0, "PodDeleted"),  # in the same second, and stopped by a signal
        (3, "2026-11-22T10:00:30Z", 0, "Error"),  # in the same second, by itself
    ],
)
def test_a_container_that_a_deletion_stopped_is_told_from_one_that_ended_before(
    exit_code: int, deletion: str, grace: int, reason: str
) -> None:
    pod = ended(exit_code=exit_code, deletionTimestamp=deletion, deletionGracePeriodSeconds=grace)
    assert outcome.attempt(pod)["reason"] == reason


@pytest.mark.parametrize(
    ("by", "said", "reason"),
    [
        ("PreemptionByScheduler", "", "Preempted"),
        ("EvictionByEvictionAPI", "", "Evicted"),
        ("DeletionByTaintManager", "", "NodeLost"),
        ("DeletionByPodGC", "", "NodeLost"),
        ("TerminationByKubelet", "Evicted", "Evicted"),
        ("TerminationByKubelet", "Preempting", "Preempted"),
        ("TerminationByKubelet", "Terminated", "NodeLost"),
        ("SomebodysOwn", "", "PodDeleted"),
    ],
)
def test_a_disruption_is_named_by_who_did_it(by: str, said: str, reason: str) -> None:
    pod = ended("last words", exit_code=137)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": by, "message": "because"}
    pod["status"] |= {"conditions": [condition], **({"reason": said} if said else {})}
    attempt = outcome.attempt(pod)
    assert (attempt["reason"], attempt["message"], attempt["exitCode"]) == (reason, "because", 137)
    assert outcome.disrupted(pod)


def test_a_disruption_of_what_had_ended_before_is_none() -> None:
    """A drained node loses its finished pods as well."""
    pod = ended(exit_code=3)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    pod["status"]["conditions"] = [condition | {"lastTransitionTime": "2026-11-22T10:00:31Z"}]
    assert outcome.attempt(pod)["reason"] == "Error"
    assert not outcome.disrupted(pod)
    pod["status"]["conditions"] = [condition | {"lastTransitionTime": "2026-11-22T10:00:30Z"}]
    assert outcome.attempt(pod)["reason"] == "Evicted"


def test_a_pod_under_eviction_has_no_reason_until_it_ends() -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
    pod = {"metadata": {"name": "p"}, "status": {"phase": "Running", "conditions": [condition]}}
    assert "reason" not in outcome.attempt(pod)
    assert outcome.attempt(pod, deleted=True)["reason"] == "NodeLost"


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        ({"reason": "OutOfcpu", "message": "Pod was rejected: Node didn't have enough resource: cpu"}, True),
        ({"reason": "NodeAffinity", "containerStatuses": [{"name": "base", "state": {"waiting": {}}}]}, True),
        ({"reason": "Evicted", "containerStatuses": [{"name": "base", "state": {"terminated": {}}}]}, False),
        ({"reason": "Evicted", "initContainerStatuses": [{"name": "i", "state": {"terminated": {}}}]}, False),
        ({"reason": "DeadlineExceeded"}, False),
        ({}, False),
    ],
)
def test_a_pod_that_no_node_took_is_disrupted(status: dict[str, Any], refused: bool) -> None:
    pod = {"metadata": {"name": "p"}, "status": {"phase": "Failed", **status}}
    assert outcome.disrupted(pod) is refused
    assert outcome.attempt(pod)["reason"] == status.get("reason", "Error")


@pytest.mark.parametrize(("gates", "ours"), [(None, False), (["acj.dev/pause"], True), (["somebody/else"], False)])
def test_a_pause_of_ours_is_no_waiting_reason(gates: list[str] | None, ours: bool) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "m"}
    pod = {
        "metadata": {},
        "spec": {"schedulingGates": [{"name": gate} for gate in gates or ()]},
        "status": {"conditions": [condition]},
    }
    assert outcome.waiting(pod) == (None if ours else ("SchedulingGated", "m"))


def test_nul_is_taken_out_of_messages() -> None:
    assert outcome.attempt(ended("a\0b", exit_code=1))["message"] == "ab"
