"""The ladder: which step comes next, for each way a job can stand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_container_job.reconcile import Step, next_step
from tests.unit.operator.builders import NOW, SPEC, ended, facts, job, recorded, running

OTHER = SPEC | {"image": "busybox:1.36"}
SUSPENDED = SPEC | {"suspend": True}
DEADLINE = timedelta(seconds=60)

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
        facts("running", ended(0)),
        Step.NOTHING,
    ),
    "container over for long, Airflow not yet: said what is waited for": (
        job(status=recorded("Running", "Running")),
        facts("running", ended(0, at="2026-11-22T11:59:00Z")),
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
    "finished, applied again with another field that asks for no run": (
        job(status=recorded("Succeeded", "Completed"), held=False, generation=2, spec=SUSPENDED, decided_spec=SPEC),
        facts(),
        Step.NOTHING,
    ),
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
