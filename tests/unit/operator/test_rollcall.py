"""How many jobs stand how, and how long they took from turn to turn: what Prometheus reads of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_container_job import metrics
from airflow_container_job.decision import stamp
from airflow_container_job.job import Job
from airflow_container_job.rollcall import RollCall
from tests.unit.operator.builders import SPEC, UID, job, recorded


class Scene:
    """A roll call whose clock a test moves, and what the registry has come to since the test began."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.roll_call = RollCall(lambda: self.now)
        self._before = samples()

    def sees(self, *jobs: Job, after: float = 0.0) -> None:
        self.now += after
        for one in jobs:
            self.roll_call.seen(one)

    def grown(self, name: str, **labels: str) -> float:
        key = name, tuple(sorted(labels.items()))
        return samples().get(key, 0.0) - self._before.get(key, 0.0)


def samples() -> dict[Any, float]:
    found = (one for family in metrics.REGISTRY.collect() for one in family.samples)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in found}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def fresh(**about: Any) -> Job:
    """A resource applied just now, of which nothing is decided."""
    return job(decided=None, about={"creationTimestamp": stamp(datetime.now(UTC))} | about)


QUEUED = job(status=recorded("Queued", "Starting"))
RUNNING = job(status=recorded("Running", "Running", state="running"))
SUCCEEDED = job(status=recorded("Succeeded", "Completed", state="success"))
FAILED = job(status=recorded("Failed", "Error", state="failed"))


def test_a_job_is_counted_where_it_stands_and_nowhere_once_it_is_gone(scene: Scene) -> None:
    scene.sees(fresh())
    assert scene.grown("acj_jobs", phase="Pending", reason="Deciding") == 1
    scene.sees(QUEUED, RUNNING)
    assert scene.grown("acj_jobs", phase="Pending", reason="Deciding") == 0
    assert scene.grown("acj_jobs", phase="Queued", reason="Starting") == 0
    assert scene.grown("acj_jobs", phase="Running", reason="Running") == 1
    scene.roll_call.gone(UID)
    scene.roll_call.gone(UID)
    assert scene.grown("acj_jobs", phase="Running", reason="Running") == 0


def test_a_reason_that_others_invent_makes_no_series_of_its_own(scene: Scene) -> None:
    scene.sees(job(status=recorded("Queued", "SomethingOfTheKubelet")))
    assert scene.grown("acj_jobs", phase="Queued", reason="Other") == 1
    assert not any("Something" in str(key) for key in samples())


def test_the_way_of_a_job_is_measured_from_turn_to_turn(scene: Scene) -> None:
    scene.sees(fresh())
    scene.now += 2
    scene.roll_call.accepted(UID)
    scene.sees(QUEUED, after=0.5)
    scene.sees(RUNNING, after=2.5)
    scene.roll_call.pod_turned(UID, ended=True)
    scene.sees(SUCCEEDED, after=4)
    for name, seconds in (("accept", 2), ("start", 3), ("report", 4)):
        assert scene.grown(f"acj_{name}_duration_seconds_count") == 1, name
        assert scene.grown(f"acj_{name}_duration_seconds_sum") == seconds, name
    assert scene.grown("acj_runs_finished_total", phase="Succeeded", reason="Completed") == 1


def test_an_attempt_that_follows_is_no_end(scene: Scene) -> None:
    scene.sees(RUNNING)
    scene.roll_call.pod_turned(UID, ended=True)
    scene.now += 100
    scene.roll_call.pod_turned(UID, ended=False)
    scene.roll_call.pod_turned(UID, ended=True)
    scene.sees(FAILED, after=1)
    assert scene.grown("acj_report_duration_seconds_sum") == 1


def test_after_a_restart_an_old_end_is_no_new_one(scene: Scene) -> None:
    scene.sees(SUCCEEDED)
    scene.sees(SUCCEEDED)
    assert scene.grown("acj_runs_finished_total", phase="Succeeded", reason="Completed") == 0
    assert scene.grown("acj_jobs", phase="Succeeded", reason="Completed") == 1


@pytest.mark.parametrize("before", ["Error", "InvalidSpec"])
def test_a_rerun_that_is_refused_at_once_is_an_end_of_its_own(scene: Scene, before: str) -> None:
    """Though the job was Failed before, and had no other phase between."""
    refused = recorded("Failed", "InvalidSpec", generation=2, state=None)
    scene.sees(job(status=recorded("Failed", before, state="failed")))
    scene.sees(*[job(status=refused, decided=2, generation=2)] * 2)
    assert scene.grown("acj_runs_finished_total", phase="Failed", reason="InvalidSpec") == 1
    assert scene.grown("acj_jobs", phase="Failed", reason="InvalidSpec") == 1


def test_a_mark_in_airflow_changes_how_a_job_stands_and_is_no_second_end(scene: Scene) -> None:
    scene.sees(RUNNING, FAILED, job(status=recorded("Succeeded", "MarkedSuccess", state="success")))
    assert scene.grown("acj_runs_finished_total", phase="Failed", reason="Error") == 1
    assert scene.grown("acj_runs_finished_total", phase="Succeeded", reason="MarkedSuccess") == 0


def test_the_longest_wait_is_that_of_the_first_who_still_waits(scene: Scene) -> None:
    assert scene.roll_call.longest_wait("Pending") == 0
    scene.sees(fresh())
    scene.sees(fresh(uid="another"), after=30)
    scene.now += 10
    assert scene.roll_call.longest_wait("Pending") == 40
    scene.sees(QUEUED)
    assert scene.roll_call.longest_wait("Pending") == 10
    assert scene.roll_call.longest_wait("Queued") == 40
    scene.sees(RUNNING)
    assert scene.roll_call.longest_wait("Queued") == 0
    scene.roll_call.gone("another")
    assert scene.roll_call.longest_wait("Pending") == 0


@pytest.mark.parametrize("wish", [{"suspend": True}, {"shutdown": "Stop"}])
def test_who_is_held_back_on_purpose_does_not_wait(scene: Scene, wish: dict[str, Any]) -> None:
    scene.sees(fresh(), job(spec=SPEC | wish, generation=2, status=recorded("Pending", "Held", state=None)), after=5)
    scene.now += 60
    assert scene.roll_call.longest_wait("Pending") == 0


def test_a_changed_spec_waits_from_the_change_on(scene: Scene) -> None:
    scene.sees(SUCCEEDED)
    scene.now += 3600
    changed = SPEC | {"image": "busybox:2"}
    scene.sees(job(spec=changed, decided_spec=SPEC, generation=2, status=dict(SUCCEEDED.status)))
    scene.now += 7
    assert scene.roll_call.longest_wait("Pending") == 7
    scene.roll_call.accepted(UID)
    assert scene.grown("acj_accept_duration_seconds_sum") == 7


def test_a_spec_that_is_changed_while_its_run_waits_begins_to_wait_anew(scene: Scene) -> None:
    scene.sees(QUEUED)
    scene.now += 7200
    changed = SPEC | {"image": "busybox:2"}
    scene.sees(job(spec=changed, decided_spec=SPEC, generation=2, status=dict(QUEUED.status)))
    scene.now += 7
    assert scene.roll_call.longest_wait("Queued") == 7


def test_what_was_asked_for_before_the_operator_started_has_waited_since_then(scene: Scene) -> None:
    earlier = stamp(datetime.now(UTC) - timedelta(minutes=10))
    scene.sees(fresh(creationTimestamp=earlier))
    assert 597 < scene.roll_call.longest_wait("Pending") <= 601


def test_a_resumed_job_waits_from_its_resume_on(scene: Scene) -> None:
    scene.sees(
        job(spec=SPEC | {"suspend": True}, status=recorded("Suspended", "Suspended", state="failed"), held=False)
    )
    scene.now += 3600
    scene.sees(job(generation=2, status=recorded("Suspended", "Suspended", state="failed"), held=False))
    scene.now += 3
    assert scene.roll_call.longest_wait("Pending") == 3
