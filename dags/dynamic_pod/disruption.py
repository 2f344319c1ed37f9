"""Who ended a pod, when it was not its own program: the node, the scheduler, or somebody by hand.

Used by `outcome`, for its words on the end and for the question whether it was a disruption. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from dynamic_pod import podstatus
from dynamic_pod.podstatus import Pod

EVICTED: Final = "Evicted"
PREEMPTED: Final = "Preempted"
NODE_LOST: Final = "NodeLost"
DELETED: Final = "PodDeleted"

BY_CONDITION: Final[Mapping[str, str]] = {
    "PreemptionByScheduler": PREEMPTED,
    "EvictionByEvictionAPI": EVICTED,
    "DeletionByTaintManager": NODE_LOST,
    "DeletionByPodGC": NODE_LOST,
}
"""Reason of a pod's condition DisruptionTarget -> ours."""

BY_KUBELET: Final[Mapping[str, str]] = {"Evicted": EVICTED, "Preempting": PREEMPTED, "Terminated": NODE_LOST}
"""The kubelet's word on a pod that it ended -> ours; `Terminated` is a node that shuts down."""

SIGNALS: Final = frozenset({128 + 9, 128 + 15})
"""Exit codes of a container that the kubelet stopped."""


def target(pod: Pod, ended: Mapping[str, Any]) -> Mapping[str, Any]:
    """The condition that tells who ended the pod, unless its container had ended before (`ended`)."""
    found = podstatus.condition(pod, "DisruptionTarget")
    if found.get("status") != "True":
        return {}
    since, finished = found.get("lastTransitionTime"), ended.get("finishedAt")
    before = since and finished and datetime.fromisoformat(finished) < datetime.fromisoformat(since)
    return {} if before else {"reason": "", "message": "", **found}


def reason(pod: Pod, ended: Mapping[str, Any]) -> str | None:
    """What to call a disruption that the pod's conditions tell of."""
    found = target(pod, ended)
    if not found:
        return None
    return BY_CONDITION.get(found["reason"]) or BY_KUBELET.get(podstatus.status(pod).get("reason", ""), DELETED)


def refused_by_kubelet(pod: Pod) -> bool:
    """Whether the node did not take the pod: no container of it ever ran."""
    status = podstatus.status(pod)
    states = [one.get("state") or {} for one in podstatus.containers(pod)]
    ran = any("running" in state or "terminated" in state for state in states)
    return status.get("phase") == "Failed" and bool(status.get("reason")) and not ran


def stopped_by_deletion(pod: Pod, ended: Mapping[str, Any]) -> bool:
    """Whether somebody deleted the pod while its container ran, so that this end is no act of its own."""
    until = pod["metadata"].get("deletionTimestamp")
    if until is None or ended.get("reason") != "Error" or not ended.get("finishedAt"):
        return False
    grace = timedelta(seconds=pod["metadata"].get("deletionGracePeriodSeconds") or 0)
    asked, finished = datetime.fromisoformat(until) - grace, datetime.fromisoformat(ended["finishedAt"])
    return finished > asked or (finished == asked and ended.get("exitCode") in SIGNALS)
