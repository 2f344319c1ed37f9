"""The words of `.status.reason`, by phase: one list for the code, the reference and the tests.

A pod's own reasons come on top: why a container waits (Queued) and how it ended (Failed) are shown in the kubelet's
words, of which only the common ones are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DECIDING: Final = "Deciding"
HELD: Final = "Held"
SPEC_CHANGED: Final = "SpecChanged"
RERUNNING: Final = "Rerunning"
STARTING: Final = "Starting"
DAG_PAUSED: Final = "DagPaused"
DAG_MISSING: Final = "DagMissing"
DAG_BROKEN: Final = "DagBroken"
DAG_DENIED: Final = "DagDenied"
SCHEDULER_UNHEALTHY: Final = "SchedulerUnhealthy"
TRIGGERER_UNHEALTHY: Final = "TriggererUnhealthy"
QUOTA_EXCEEDED: Final = "QuotaExceeded"
FAILED_CREATE: Final = "FailedCreate"
RETRYING: Final = "Retrying"
CLEARED: Final = "Cleared"
RUNNING: Final = "Running"
TERMINATING: Final = "Terminating"
COMPLETED: Final = "Completed"
MARKED_SUCCESS: Final = "MarkedSuccess"
MARKED_FAILED: Final = "MarkedFailed"
STOPPED: Final = "Stopped"
START_DEADLINE_EXCEEDED: Final = "StartDeadlineExceeded"
INVALID_SPEC: Final = "InvalidSpec"
DAG_RUN_LOST: Final = "DagRunLost"
DAG_RUN_FAILED: Final = "DagRunFailed"
SUSPENDED: Final = "Suspended"
STOPPING: Final = "Stopping"

TERMINAL: Final = frozenset({"Succeeded", "Failed"})
"""Phases of a run that is over."""

REPLACED: Final = frozenset({SPEC_CHANGED, RERUNNING})
"""Reasons of a run that is ended for another one to follow."""

REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Pending": {
        DECIDING: "The run is being handed to Airflow.",
        HELD: "As many runs are in flight as may be; the message tells the place in line, as it was then.",
        SPEC_CHANGED: "The run of the old spec is being stopped; the new one follows.",
        RERUNNING: "The run is being stopped, because spec.rerun asks for another; that follows.",
        "AirflowUnreachable": "Airflow gives no usable answer; nothing is lost, the operator asks again.",
        "AirflowDenied": "Airflow does not let the operator's account do this; an administrator acts.",
        "AirflowError": "Airflow, or a proxy before it, refuses the request for this run alone; it is asked again.",
        DAG_MISSING: "The DAG does not exist, does not import, or does not allow manual runs.",
        DAG_BROKEN: "Airflow has the DAG and cannot read it, as it stored it.",
        DAG_DENIED: "There is no DAG of this name that the operator's account in Airflow may run.",
        STOPPING: "The run is being ended, as spec.shutdown asks.",
        START_DEADLINE_EXCEEDED: "No container ran in time; the run is being ended.",
    },
    "Queued": {
        STARTING: "Airflow has the run; its container does not run yet.",
        DAG_PAUSED: "The DAG is paused in Airflow; un-pausing it lets the run go on.",
        DAG_MISSING: "The DAG has gone from Airflow since the run was created.",
        DAG_BROKEN: "Airflow can no longer read the DAG, as it stored it.",
        DAG_DENIED: "The operator's account in Airflow may no longer see the DAG.",
        SCHEDULER_UNHEALTHY: "Airflow's scheduler does not report; nothing is started.",
        TRIGGERER_UNHEALTHY: "Airflow's triggerer does not report; no pod is made.",
        QUOTA_EXCEEDED: "A ResourceQuota of the namespace does not allow the pod now.",
        FAILED_CREATE: "The API server refuses the pod; the message says why.",
        "Unschedulable": "No node takes the pod; the message is the scheduler's.",
        "ImagePullBackOff": "The image cannot be pulled; the kubelet tries again.",
        "InvalidImageName": "The image's name is not one.",
        "CreateContainerConfigError": "A ConfigMap or Secret that the container needs is missing, or the like.",
        RETRYING: "An attempt has ended, the next one follows.",
        CLEARED: "Somebody cleared the run in Airflow; it runs again.",
        STOPPING: "The run is being ended, as spec.shutdown asks.",
        START_DEADLINE_EXCEEDED: "No container ran in time; the run is being ended.",
    },
    "Running": {
        RUNNING: "The container runs; with spec.dagId, the DagRun does.",
        TERMINATING: "The pod is being deleted, and its container has not ended yet.",
        STOPPING: "The run is being ended, as spec.shutdown asks.",
    },
    "Succeeded": {
        COMPLETED: "The container ended with exit code 0; with spec.dagId, the DagRun succeeded.",
        MARKED_SUCCESS: "Somebody marked the run a success in Airflow; its container did not end so.",
    },
    "Failed": {
        "Error": "The container ended with another exit code than 0.",
        "OOMKilled": "The container used more memory than its limit.",
        "DeadlineExceeded": "It ran for longer than spec.activeDeadlineSeconds.",
        START_DEADLINE_EXCEEDED: "No container ran within spec.startDeadlineSeconds; the message says why.",
        "Evicted": "The pod was evicted, and no attempt was left.",
        "Preempted": "The pod made room for one of higher priority, and no attempt was left.",
        "NodeLost": "The pod's node was lost, and no attempt was left.",
        "PodDeleted": "Somebody deleted the pod, and no attempt was left.",
        STOPPED: "The run was ended by spec.shutdown.",
        MARKED_FAILED: "Airflow failed the run, not its container: somebody marked it, or the task's log says why.",
        DAG_RUN_LOST: "Somebody deleted the DagRun in Airflow while it was under way.",
        DAG_RUN_FAILED: "The DagRun of spec.dagId failed, elsewhere than in the container shown.",
        INVALID_SPEC: "Airflow, or Kubernetes for the pod, refuses what the spec says; the message names it.",
    },
    "Suspended": {
        STOPPING: "The run is being stopped, as spec.suspend asks.",
        SUSPENDED: "Nothing runs; set spec.suspend to false to run it.",
    },
}
"""phase -> reason -> meaning."""
