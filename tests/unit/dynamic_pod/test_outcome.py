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
        "[" * 60 + "]" * 60,
        "[" * 2000 + "]" * 2000,
    ],
)
def test_what_airflow_could_not_store_is_no_result(text: str) -> None:
    """Any of these in an XCom would stop the triggerer with all its tasks, or fail in PostgreSQL."""
    assert not outcome.result(ended(text)).found


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


def test_nul_is_taken_out_of_messages() -> None:
    assert outcome.attempt(ended("a\0b", exit_code=1))["message"] == "ab"
