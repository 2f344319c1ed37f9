"""The ladder: which step comes next, for each way a job can stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_container_job.facts import Facts, Trouble
from airflow_container_job.job import Job
from airflow_container_job.reconcile import Step, next_look, next_step
from tests.unit.operator.builders import NOW, SPEC, ended, facts, job, pod, recorded, run_id, running

OTHER = SPEC | {"image": "busybox:1.36"}
SUSPENDED = SPEC | {"suspend": True}
SHUT_DOWN = SPEC | {"shutdown": "Stop"}
AGAIN = SPEC | {"rerun": "2"}
NEVER = SPEC | {"rerunPolicy": "Never"}
IN_A_MINUTE = SPEC | {"startDeadlineSeconds": 60}  # decided two minutes before NOW
IN_AN_HOUR = SPEC | {"startDeadlineSeconds": 3600}
SHORT = SPEC | {"ttlSecondsAfterFinished": 60}
CLEARED_ONCE = {"runs": [{"number": 1, "dagRunId": run_id(), "phase": "Failed"}, {"number": 2, "dagRunId": run_id()}]}
DEADLINE = timedelta(seconds=60)
ARGO_CD = {"labels": {"app.kubernetes.io/instance": "shop"}}


def away() -> Facts:
    return Facts(turn=True, trouble=Trouble("AirflowUnreachable", "refused"))


def doubted(state: str | None = None, *pods: dict[str, Any]) -> Facts:
    return replace(facts(state, *pods), doubted=True)


def done(phase: str = "Succeeded", *, at: str = "2026-11-22T11:58:00Z", **fields: Any) -> dict[str, Any]:
    reason = "Completed" if phase == "Succeeded" else "Error"
    state = "success" if phase == "Succeeded" else "failed"
    said = {"completionTime": at, "conditions": finished(at)}
    return recorded(phase, reason, state=state) | said | fields


def over_and_suspended(reason: str = "Error") -> dict[str, Any]:
    """What is recorded of a job that was changed and suspended after its run had ended for this reason."""
    runs = [{"number": 1, "dagRunId": run_id(), "phase": "Failed", "reason": reason}]
    return recorded("Suspended", "Suspended", state="failed") | {"observedGeneration": 2, "runs": runs}


def finished(at: str) -> list[dict[str, Any]]:
    """The condition that says when the end was recorded."""
    return [{"type": "Finished", "status": "True", "reason": "Completed", "lastTransitionTime": at}]


CASES = {
    "a new job is admitted": (job(decided=None, held=False), facts(), Step.ADMIT),
    "born suspended: only said": (job(decided=None, held=False, spec=SUSPENDED), facts(), Step.RECORD),
    "admitted: asked for": (job(), facts(), Step.TRIGGER),
    "asked for, but not recorded before a crash: asked again": (
        job(status=recorded("Pending", "AirflowUnreachable", state=None)),
        facts(),
        Step.TRIGGER,
    ),
    "recorded, then a restart: read, not asked again": (job(status=recorded("Queued", "Starting")), facts(), Step.READ),
    "under way: recorded": (job(status=recorded("Queued", "Starting")), facts("running", running()), Step.RECORD),
    "container over, Airflow not yet: nothing to say before it is": (
        job(status=recorded("Running", "Running")),
        facts("running", ended(0, at="2026-11-22T11:59:58Z")),
        Step.NOTHING,
    ),
    "container over for long, another follows: said that it is waited for": (
        job(status=recorded("Running", "Running"), spec=SPEC | {"backoffLimit": 1}),
        facts("running", ended(1, at="2026-11-22T11:59:00Z")),
        Step.RECORD,
    ),
    "finished, but its container still runs: ended": (
        job(status=recorded("Failed", "DagRunLost"), held=False),
        facts("lost", running()),
        Step.STOP,
    ),
    "finished: let go": (job(status=recorded("Succeeded", "Completed")), facts(), Step.RELEASE),
    "finished and let go: nothing for ever": (
        job(status=recorded("Failed", "Error"), held=False),
        facts(),
        Step.NOTHING,
    ),
    "finished, applied again with another field that asks for no run: seen, that is all": (
        job(status=recorded("Succeeded", "Completed"), held=False, generation=2, spec=SUSPENDED, decided_spec=SPEC),
        facts(),
        Step.RECORD,
    ),
    "finished, shut down afterwards: nothing": (
        job(status=done() | {"observedGeneration": 2}, held=False, generation=2, spec=SHUT_DOWN, decided_spec=SPEC),
        facts(),
        Step.NOTHING,
    ),
    "finished, a new text in rerun: decided anew": (
        job(status=done(), held=False, generation=2, spec=AGAIN, decided_spec=SPEC),
        facts(),
        Step.ADMIT,
    ),
    "finished, the text in rerun taken away: nothing is run": (
        job(status=done(), held=False, generation=2, spec=SPEC, decided_spec=AGAIN),
        facts(),
        Step.RECORD,
    ),
    "finished, spec changed, but rerunPolicy says never": (
        job(status=done(), held=False, generation=2, spec=NEVER | {"image": "other"}, decided_spec=NEVER),
        facts(),
        Step.RECORD,
    ),
    "finished, rerunPolicy says never, but a new text in rerun does": (
        job(status=done(), held=False, generation=2, spec=NEVER | {"rerun": "x"}, decided_spec=NEVER),
        facts(),
        Step.ADMIT,
    ),
    "finished, spec changed while shut down: nothing is run": (
        job(status=done(), held=False, generation=2, spec=SHUT_DOWN | {"image": "other"}, decided_spec=SPEC),
        facts(),
        Step.RECORD,
    ),
    "finished, and Airflow hints otherwise: asked": (job(status=done(), held=False), doubted(), Step.CHECK),
    "finished, cleared in Airflow: held again": (job(status=done(), held=False), facts("running"), Step.HOLD),
    "finished, cleared in Airflow and held: said": (job(status=done()), facts("queued"), Step.RECORD),
    "finished, marked otherwise: said": (job(status=done(), held=False), facts("failed"), Step.RECORD),
    "finished, deleted in Airflow since: nothing, histories are cleaned": (
        job(status=done(), held=False),
        facts("lost"),
        Step.NOTHING,
    ),
    "finished with a run that Airflow may never have got: looked for before the resource is let go": (
        job(status=recorded("Failed", "StartDeadlineExceeded", state=None)),
        facts(),
        Step.STOP,
    ),
    "its time is over: expires": (job(status=done(), held=False, spec=SHORT), facts(), Step.EXPIRE),
    "its time is over, and it stays: done once": (
        job(
            status=done(conditions=[{"type": "Expired", "status": "True", "reason": "", "lastTransitionTime": ""}]),
            held=False,
            spec=SHORT,
            about=ARGO_CD,
        ),
        facts(),
        Step.NOTHING,
    ),
    "its time is not over yet": (
        job(status=done(at="2026-11-22T11:59:30Z"), held=False, spec=SHORT),
        facts(),
        Step.NOTHING,
    ),
    "a pod that Airflow has left behind: deleted": (
        job(status=done(), held=False),
        facts("success", ended(0)),
        Step.CLEAN,
    ),
    "a pod that Airflow will delete itself": (
        job(status=done(at="2026-11-22T11:59:40Z"), held=False),
        facts("success", ended(0)),
        Step.NOTHING,
    ),
    "a container that ended well, told late by its node: nothing to say until Airflow does": (
        job(status=recorded("Running", "Running")),
        facts("running", ended(0, at="2026-11-22T11:59:00Z")),
        Step.NOTHING,
    ),
    "a pod whose end was recorded long after it: Airflow's to delete all the same": (
        job(status=done(conditions=finished("2026-11-22T11:59:50Z")), held=False),
        facts("success", ended(0)),
        Step.NOTHING,
    ),
    "a failed pod that is kept": (
        job(status=done("Failed"), held=False, spec=SPEC | {"podRetention": "KeepFailed"}),
        facts("failed", ended(1)),
        Step.NOTHING,
    ),
    "a pod that is kept": (
        job(status=done(), held=False, spec=SPEC | {"podRetention": "Keep"}),
        facts("success", ended(0)),
        Step.NOTHING,
    ),
    "a pod of a DAG of one's own, which keeps pods as it likes": (
        job(status=done(), held=False, spec=SPEC | {"dagId": "own"}),
        facts("success", ended(0)),
        Step.NOTHING,
    ),
    "shut down at birth: decided, so that taking it back runs nothing": (
        job(decided=None, held=False, spec=SHUT_DOWN | {"suspend": True}),
        facts(),
        Step.ADMIT,
    ),
    "shut down at birth and decided: not asked for": (job(spec=SHUT_DOWN), facts(), Step.RECORD),
    "shut down while running: said before anything is stopped": (
        job(status=recorded("Running", "Running"), generation=2, spec=SHUT_DOWN),
        facts("running", running()),
        Step.RECORD,
    ),
    "shut down and said: stopped": (
        job(status=recorded("Running", "Stopping"), generation=2, spec=SHUT_DOWN),
        facts("running", running()),
        Step.STOP,
    ),
    "shut down, and the wish taken back in the middle: stopped all the same": (
        job(status=recorded("Running", "Stopping"), generation=3),
        facts("running", running()),
        Step.STOP,
    ),
    "shut down and stopped: recorded": (
        job(status=recorded("Running", "Stopping"), generation=2, spec=SHUT_DOWN),
        facts("failed", running(), gone=True),
        Step.RECORD,
    ),
    "running, a new text in rerun: said before anything is stopped": (
        job(status=recorded("Running", "Running"), generation=2, spec=AGAIN, decided_spec=SPEC),
        facts("running", running()),
        Step.RECORD,
    ),
    "a new text in rerun, all stopped: decided anew": (
        job(status=recorded("Pending", "Rerunning"), generation=2, spec=AGAIN, decided_spec=SPEC),
        facts("failed"),
        Step.ADMIT,
    ),
    "not started in time: said before anything is stopped": (
        job(status=recorded("Queued", "Unschedulable"), spec=IN_A_MINUTE),
        facts("running", pod("Pending")),
        Step.RECORD,
    ),
    "not started in time and said: stopped": (
        job(status=recorded("Queued", "StartDeadlineExceeded"), spec=IN_A_MINUTE),
        facts("running", pod("Pending")),
        Step.STOP,
    ),
    "not started in time, and it starts while it is ended: ended": (
        job(status=recorded("Queued", "StartDeadlineExceeded"), spec=IN_A_MINUTE),
        facts("running", running()),
        Step.STOP,
    ),
    "not even asked for in time, Airflow is away: recorded": (
        job(status=recorded("Pending", "AirflowUnreachable", state=None), spec=IN_A_MINUTE),
        away(),
        Step.RECORD,
    ),
    "shut down while it was being suspended: said, and then stopped": (
        job(status=recorded("Suspended", "Stopping"), generation=2, spec=SHUT_DOWN | {"suspend": True}),
        facts("running", running()),
        Step.RECORD,
    ),
    "shut down while it was being suspended, and said: stopped": (
        job(status=recorded("Queued", "Stopping"), generation=2, spec=SHUT_DOWN | {"suspend": True}),
        facts("running", running()),
        Step.STOP,
    ),
    "the operator comes back late: Airflow is asked before anything is too late": (
        job(status=recorded("Queued", "Starting"), spec=IN_A_MINUTE),
        facts(),
        Step.READ,
    ),
    "cleared long after it was decided: no start deadline counts": (
        job(status=recorded("Queued", "Cleared") | CLEARED_ONCE, spec=IN_A_MINUTE),
        facts("queued"),
        Step.RECORD,
    ),
    "finished well, then changed and suspended: waits suspended": (
        job(
            status=done("Succeeded"),
            held=False,
            generation=2,
            spec=SUSPENDED | {"image": "other"},
            decided_spec=SPEC,
        ),
        facts("success"),
        Step.RECORD,
    ),
    "suspended for good, and edited: seen": (
        job(status=recorded("Suspended", "Suspended", generation=1), generation=3, spec=SUSPENDED, held=False),
        facts(),
        Step.RECORD,
    ),
    "held and deleted without a decision: let go": (
        job(decided=None, spec=SUSPENDED, deleted="2026-11-22T11:59:50Z"),
        facts(),
        Step.RELEASE,
    ),
    "started in time": (
        job(status=recorded("Queued", "Starting"), spec=IN_A_MINUTE),
        facts("running", running()),
        Step.RECORD,
    ),
    "still in time": (job(spec=IN_AN_HOUR), facts(), Step.TRIGGER),
    "finished, spec changed: decided anew": (
        job(status=recorded("Failed", "Error"), held=False, generation=2, spec=OTHER, decided_spec=SPEC),
        facts(),
        Step.ADMIT,
    ),
    "running, spec changed: said before anything is stopped": (
        job(status=recorded("Running", "Running"), generation=2, spec=OTHER, decided_spec=SPEC),
        facts("running", running()),
        Step.RECORD,
    ),
    "running, spec changed and said: stopped": (
        job(status=recorded("Pending", "SpecChanged"), generation=2, spec=OTHER, decided_spec=SPEC),
        facts("running", running()),
        Step.STOP,
    ),
    "stopped in Airflow, but its container still runs: stopped further": (
        job(status=recorded("Pending", "SpecChanged"), generation=2, spec=OTHER, decided_spec=SPEC),
        facts("failed", running()),
        Step.STOP,
    ),
    "spec changed and all stopped: decided anew": (
        job(status=recorded("Pending", "SpecChanged"), generation=2, spec=OTHER, decided_spec=SPEC),
        facts("failed", running(), gone=True),
        Step.ADMIT,
    ),
    "suspended while running: said": (
        job(status=recorded("Running", "Running"), generation=2, spec=SUSPENDED),
        facts("running", running()),
        Step.RECORD,
    ),
    "suspended and said: stopped": (
        job(status=recorded("Suspended", "Stopping"), generation=2, spec=SUSPENDED),
        facts("running", running()),
        Step.STOP,
    ),
    "suspended and stopped: said": (
        job(status=recorded("Suspended", "Stopping"), generation=2, spec=SUSPENDED),
        facts("failed", running(), gone=True),
        Step.RECORD,
    ),
    "suspended for good: let go": (
        job(status=recorded("Suspended", "Suspended"), generation=2, spec=SUSPENDED),
        facts(),
        Step.RELEASE,
    ),
    "resumed: decided anew": (
        job(status=recorded("Suspended", "Suspended"), generation=3, held=False),
        facts(),
        Step.ADMIT,
    ),
    "changed and suspended after its end: said once": (
        job(status=over_and_suspended(), generation=2, spec=OTHER | {"suspend": True}, decided_spec=SPEC, held=False),
        facts("success", ended(0)),
        Step.NOTHING,
    ),
    "resumed, and asked for as it had run before: its end is said again": (
        job(status=over_and_suspended(), generation=3, held=False),
        facts(),
        Step.RECORD,
    ),
    "resumed as it was, after its old run was ended for a new one: decided anew": (
        job(status=over_and_suspended("SpecChanged"), generation=3, held=False),
        facts(),
        Step.ADMIT,
    ),
    "resumed while still stopping: stopped first": (
        job(status=recorded("Suspended", "Stopping"), generation=3),
        facts("running", running()),
        Step.STOP,
    ),
    "resumed and decided anew: asked for": (
        job(status=recorded("Suspended", "Suspended"), generation=3, decided=3),
        facts(),
        Step.TRIGGER,
    ),
    "suspended just when it succeeded: the success stands": (
        job(status=recorded("Suspended", "Stopping"), generation=2, spec=SUSPENDED),
        facts("success", ended(0)),
        Step.RECORD,
    ),
    "deleted while running: stopped": (
        job(status=recorded("Running", "Running"), deleted="2026-11-22T11:59:50Z"),
        facts("running", running()),
        Step.STOP,
    ),
    "deleted and not known how it stands: looked up by stopping": (
        job(status=recorded("Running", "Running"), deleted="2026-11-22T11:59:50Z"),
        facts(),
        Step.STOP,
    ),
    "deleted and stopped: let go": (
        job(status=recorded("Running", "Running"), deleted="2026-11-22T11:59:50Z"),
        facts("failed", running(), gone=True),
        Step.RELEASE,
    ),
    "deleted, not stopped in time: let go all the same": (
        job(status=recorded("Running", "Running"), deleted="2026-11-22T11:58:59Z"),
        facts("running", running()),
        Step.RELEASE,
    ),
    "deleted and not held: nothing": (
        job(status=recorded("Succeeded", "Completed"), held=False, deleted="2026-11-22T11:59:50Z"),
        facts(),
        Step.NOTHING,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_next_step(case: str) -> None:
    resource, known, expected = CASES[case]
    assert next_step(resource, known, NOW, DEADLINE) is expected


LOOKS: dict[str, tuple[Job, Facts, datetime | None]] = {
    "nothing but an event": (job(status=recorded("Running", "Running")), facts("running", running()), None),
    "the start deadline": (
        job(status=recorded("Queued", "Starting"), spec=IN_AN_HOUR),
        facts("queued"),
        NOW + timedelta(minutes=58),
    ),
    "no start deadline once it runs": (
        job(status=recorded("Running", "Running"), spec=IN_AN_HOUR),
        facts("running", running()),
        None,
    ),
    "no start deadline once an attempt ran, though it was not seen and the next one waits": (
        job(status=recorded("Queued", "Starting"), spec=IN_AN_HOUR),
        facts("running", pod("Pending", attempt=2, earlier='[{"number": 1, "startedAt": "2026-11-22T11:58:05Z"}]')),
        None,
    ),
    "the start deadline while no attempt ran": (
        job(status=recorded("Queued", "Starting"), spec=IN_AN_HOUR),
        facts("running", pod("Pending", attempt=2, earlier='[{"number": 1, "reason": "Evicted"}]')),
        NOW + timedelta(minutes=58),
    ),
    "a next attempt that is late": (
        job(status=recorded("Running", "Running")),
        facts("running", ended(1, at="2026-11-22T11:59:58Z")),
        NOW + timedelta(seconds=3),
    ),
    "the end of its time": (
        job(status=done(at="2026-11-22T11:59:30Z"), held=False, spec=SHORT),
        facts(),
        NOW + timedelta(seconds=30),
    ),
    "a pod that Airflow may leave behind": (
        job(status=done(at="2026-11-22T11:59:40Z"), held=False),
        facts("success", ended(0)),
        NOW + timedelta(seconds=10),
    ),
    "finished for good": (job(status=done(), held=False), facts(), None),
}


@pytest.mark.parametrize("case", LOOKS)
def test_next_look(case: str) -> None:
    resource, known, expected = LOOKS[case]
    assert next_look(resource, known) == expected
