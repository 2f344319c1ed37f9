"""Attempts: how many, how far apart, and which ends count. All jobs of this module run side by side."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise

from tests.support.airflow import Airflow
from tests.support.cluster import Json, Namespace
from tests.support.jobs import ATTEMPT, attempts, ended, events, job, until_phase
from tests.support.wait import until

SOON = {"initialSeconds": 0}


def exits(action: str, *codes: int, operator: str = "In") -> Json:
    """A podFailurePolicy of one rule on exit codes."""
    return {"rules": [{"action": action, "onExitCodes": {"operator": operator, "values": list(codes)}}]}


BATCH = [
    job(
        "third-time",
        "exit $((ATTEMPT < 3 ? 4 : 0))",
        env=ATTEMPT,
        backoffLimit=2,
        backoff={"initialSeconds": 2, "factor": 3, "capSeconds": 4},
    ),
    job("used-up", "exit 4", backoffLimit=1, backoff=SOON),
    job("hopeless", "exit 42", backoffLimit=5, podFailurePolicy=exits("FailJob", 42)),
    job("ignored", "exit $((ATTEMPT < 3 ? 75 : 0))", env=ATTEMPT, backoff=SOON, podFailurePolicy=exits("Ignore", 75)),
    job(
        "first-rule-wins",
        "exit $((ATTEMPT + 9))",
        env=ATTEMPT,
        backoffLimit=1,
        backoff=SOON,
        podFailurePolicy={
            "rules": [
                {"action": "Count", "onExitCodes": {"operator": "In", "values": [10]}},
                {"action": "FailJob", "onExitCodes": {"containerName": "base", "operator": "NotIn", "values": [11]}},
                {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [10, 11]}},
            ]
        },
    ),
    job(
        "init", "true", initContainers=[{"name": "prepare", "image": "busybox:1.35", "command": ["sh", "-c", "exit 6"]}]
    ),
]


def gaps(status: Json) -> list[float]:
    """Seconds between the end of each attempt and the start of the next."""
    times = [(one["startedAt"], one.get("finishedAt", one["startedAt"])) for one in status["attempts"]]
    return [
        (datetime.fromisoformat(later[0]) - datetime.fromisoformat(earlier[1])).total_seconds()
        for earlier, later in pairwise(times)
    ]


def test_fails_twice_then_succeeds_with_growing_pauses(airflow: Airflow, batch: Namespace) -> None:
    status = until_phase(batch, "third-time", "Queued", reason="Retrying")
    assert "exit code 4" in status["message"]
    status = ended(batch, "third-time")
    assert status["phase"] == "Succeeded", status
    assert attempts(status) == [("Error", 4, "Failure"), ("Error", 4, "Failure"), ("Completed", 0, None)]
    assert [one["number"] for one in status["attempts"]] == [1, 2, 3]
    assert len({one["podName"] for one in status["attempts"]}) == 3
    # 2 s, then 2 * 3 capped at 4; the kubelet's clock has whole seconds, and a busy node adds some of its own
    first, second = gaps(status)
    assert (first >= 1, second >= 3) == (True, True), (first, second)
    log = "\n".join(airflow.log(status["dagRunId"]))
    assert all(int(seconds) <= 4 for seconds in re.findall(r"The next attempt begins in (\d+) s", log)), log
    until("it is told", lambda: "AttemptFailed" in events(batch, "third-time"))


def test_no_more_attempts_than_backoff_limit_says(batch: Namespace) -> None:
    status = ended(batch, "used-up")
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Failed", "Error", 4)
    assert attempts(status) == [("Error", 4, "Failure")] * 2


def test_fail_job_spares_further_attempts(batch: Namespace) -> None:
    status = ended(batch, "hopeless")
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Failed", "Error", 42)
    assert len(status["attempts"]) == 1


def test_ignored_ends_count_against_nothing(batch: Namespace) -> None:
    status = ended(batch, "ignored")
    assert status["phase"] == "Succeeded", status
    assert attempts(status) == [("Error", 75, "Ignored"), ("Error", 75, "Ignored"), ("Completed", 0, None)]


def test_the_first_rule_that_matches_wins(batch: Namespace) -> None:
    """10 counts although the third rule would ignore it, 11 is ignored, 12 fails the job."""
    status = ended(batch, "first-rule-wins")
    assert status["phase"] == "Failed"
    assert [one[1:] for one in attempts(status)][:2] == [(10, "Failure"), (11, "Ignored")]
    assert status["exitCode"] == 12
    assert len(status["attempts"]) == 3


def test_a_failed_init_container_is_named(batch: Namespace) -> None:
    status = ended(batch, "init")
    assert (status["phase"], status["exitCode"]) == ("Failed", 6)
    assert "prepare" in status["message"]
