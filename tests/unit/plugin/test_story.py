"""The story of a job: all sources in one order of time, and nobody else's events."""

from __future__ import annotations

from kubectl_acj.job import Json
from kubectl_acj.story import tell
from tests.unit.plugin.builders import UID, job, pod


def _at(second: int) -> str:
    return f"2026-11-22T12:00:{second:02d}Z"


def _event(reason: str, second: int, kind: str, name: str, uid: str = "", **more: object) -> Json:
    about = {"kind": kind, "name": name, "uid": uid}
    return {
        "metadata": {"creationTimestamp": _at(second)},
        "involvedObject": about,
        "type": "Warning",
        "reason": reason,
        "message": f"{reason} it is\n",
        "lastTimestamp": _at(second),
    } | more


def test_the_story_is_told_in_the_order_of_time() -> None:
    attempts = [
        {"number": 1, "podName": "gone", "reason": "Error", "exitCode": 3, "startedAt": _at(4), "finishedAt": _at(5)},
        {"number": 2, "podName": "there", "startedAt": _at(9)},
    ]
    triggered = {"type": "Triggered", "status": "True", "reason": "DagRunCreated", "lastTransitionTime": _at(1)}
    runs = [
        {"number": 1, "phase": "Failed", "reason": "Stopped", "completionTime": _at(0)},
        {"number": 2, "phase": "Running"},
    ]
    found = job("Running", attempts=attempts, conditions=[triggered], runs=runs)
    there = pod("there", created=_at(7))
    there["status"]["conditions"] = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": _at(8)}]
    events = [
        _event("BackOff", 6, "Pod", "gone", count=4),
        _event("AttemptFailed", 5, "AirflowContainerJob", "hello", UID),
        _event("Strange", 5, "AirflowContainerJob", "hello", "another uid"),
        _event("Strange", 5, "Pod", "somebody-elses"),
        _event("Pulled", 9, "Pod", "there", lastTimestamp=None, eventTime="2026-11-22T12:00:09.500000Z"),
    ]
    run = {"queued_at": "2026-11-22T12:00:01.9Z", "start_date": "2026-11-22T12:00:02.5Z", "end_date": None}
    assert [(entry.time.second, entry.source, entry.text) for entry in tell(found, [there], events, run)] == [
        (0, "Job", "created"),
        (0, "Job", "run 1 ended: Failed, Stopped"),
        (1, "Condition", "Triggered is True: DagRunCreated"),
        (1, "DagRun", "queued"),
        (2, "DagRun", "started"),
        (4, "Attempt", "attempt 1, pod gone: the container started"),
        (5, "Attempt", "attempt 1, pod gone: it ended: Error, exit code 3"),
        (5, "Event", "Warning AttemptFailed of AirflowContainerJob: AttemptFailed it is"),
        (6, "Event", "Warning BackOff (4 times) of Pod: BackOff it is"),
        (7, "Pod", "there created"),
        (8, "Pod", "there scheduled on worker"),
        (9, "Attempt", "attempt 2, pod there: the container started"),
        (9, "Event", "Warning Pulled of Pod: Pulled it is"),
    ]


def test_a_job_that_nobody_has_seen_yet_was_created() -> None:
    assert [entry.text for entry in tell(job(), [], [], {})] == ["created"]
