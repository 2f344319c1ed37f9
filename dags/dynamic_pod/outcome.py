"""What a pod's status says, in the contract's words: pure functions over the API server's JSON.

Read by the runner, which ends the task by it, and by the Kubernetes operator, which shows it in a resource's status:
one reading for both. Standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dynamic_pod import contract, disruption, podstatus, storable
from dynamic_pod.podstatus import Pod, failed_init, over, succeeded

__all__ = ["Attempt", "Pod", "Result", "Waiting", "failed_init", "over", "succeeded"]

Attempt = dict[str, Any]

STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
"""Waiting reasons of every healthy start: nothing a person has to know."""

PULL_FAILED: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""The kubelet alternates between these two words for one state; we say the second."""

SUCCEEDED: Final = "Completed"
DELETED: Final = disruption.DELETED
DEADLINE_EXCEEDED: Final = "DeadlineExceeded"

NEVER: Final = "1970-01-01T00:00:00Z"
"""What the kubelet writes as the start of a container that could not be started."""

RESULT_LIMIT: Final = 4096
"""Bytes of a result that the kubelet hands over; of a longer one it hands over the end."""

LOG_TAIL: Final = 2048
"""Bytes of the log that the kubelet hands over when a container fails and leaves nothing."""

GATE: Final = f"{contract.PREFIX}/pause"
"""Scheduling gate of a pod that is made, so as to record the attempts before it, but shall not start yet."""

NUMBER: Final = re.compile(r"[1-9]\d{0,8}", re.ASCII)
"""An attempt's number as we write it."""

TOO_LARGE: Final = "ResultTooLarge"
NOT_JSON: Final = "ResultNotJSON"


class Waiting(NamedTuple):
    """Why a container does not run yet."""

    reason: str
    message: str


class Result(NamedTuple):
    """What the container left at `contract.RESULT_PATH`."""

    found: bool
    value: Any = None
    problem: str | None = None
    """Why what is there is no result: `TOO_LARGE` or `NOT_JSON`."""


def started_at(pod: Pod) -> str | None:
    """When the main container started (RFC 3339), if it has."""
    state = podstatus.main_state(pod)
    started = (state.get("running") or state.get("terminated") or {}).get("startedAt")
    return None if started in (None, NEVER) else str(started)


def waiting(pod: Pod) -> Waiting | None:
    """Why the pod does not get on, if for a reason that a person should know."""
    for status in podstatus.containers(pod):
        state = (status.get("state") or {}).get("waiting") or {}
        reason = state.get("reason")
        if reason and reason not in STARTING:
            return Waiting("ImagePullBackOff" if reason in PULL_FAILED else reason, state.get("message", ""))
    scheduled = podstatus.condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and not held_back(pod):
        return Waiting(scheduled.get("reason", "Unschedulable"), scheduled.get("message", ""))
    return None


def held_back(pod: Pod) -> bool:
    """Whether the pod waits, by our own will, for the pause after the attempt before it."""
    gates = (pod.get("spec") or {}).get("schedulingGates") or ()
    return any(gate.get("name") == GATE for gate in gates)


def disrupted(pod: Pod, *, deleted: bool = False) -> bool:
    """Whether something else than its own program ended the pod, or is about to: its node, the scheduler, a person.

    `deleted` says that the pod no longer exists.
    """
    ended = podstatus.end(pod)
    if succeeded(pod) or podstatus.status(pod).get("reason") == DEADLINE_EXCEEDED:
        return False
    if disruption.target(pod, ended) or disruption.refused_by_kubelet(pod):
        return True
    if ended:
        return disruption.stopped_by_deletion(pod, ended)
    return not over(pod) and (deleted or "deletionTimestamp" in pod["metadata"])


def earlier_attempts(pod: Pod) -> list[Attempt]:
    """The attempts before this pod, as its annotation records them; none where it is not as we write it."""
    text = (pod["metadata"].get("annotations") or {}).get(contract.ANNOTATION_ATTEMPTS, "[]")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    ours = isinstance(found, list) and all(isinstance(one, dict) for one in found)
    return found if ours else []


def number(pod: Pod) -> int:
    """The attempt's number by its label, which anybody may have written who can make pods; 1 where it is no number."""
    text = (pod["metadata"].get("labels") or {}).get(contract.LABEL_ATTEMPT, "")
    return int(text) if NUMBER.fullmatch(text) else 1


def attempt(pod: Pod, *, deleted: bool = False) -> Attempt:
    """The attempt this pod is, as far as it has come; `deleted` says that the pod no longer exists."""
    ended = podstatus.end(pod)
    facts: Attempt = {
        "number": number(pod),
        "podName": pod["metadata"]["name"],
        "reason": _reason(pod, ended, deleted=deleted),
        "message": _message(pod, ended),
        "exitCode": ended.get("exitCode"),
        "startedAt": started_at(pod),
        "finishedAt": ended.get("finishedAt"),
    }
    return {key: value for key, value in facts.items() if value is not None}


def result(pod: Pod) -> Result:
    """The JSON value the container left, whether it ended well or not; else why there is none."""
    ended = podstatus.main_end(pod)
    text = ended.get("message") or ""
    if not text.strip():
        return Result(found=False)
    try:
        return Result(found=True, value=storable.parse(text))
    except ValueError:
        size = len(text.encode(errors="replace"))
    if ended.get("exitCode") and size <= LOG_TAIL:  # most likely its log's last lines
        return Result(found=False)
    return Result(found=False, problem=TOO_LARGE if size >= RESULT_LIMIT else NOT_JSON)


def words(pod: Pod) -> str:
    """The text the main container left when it ended: its result, or on failure the end of its log."""
    return (podstatus.main_end(pod).get("message") or "").strip()


def _reason(pod: Pod, ended: Mapping[str, Any], *, deleted: bool) -> str | None:
    said = podstatus.status(pod).get("reason")  # the kubelet's word on the whole pod
    if said == DEADLINE_EXCEEDED:
        return DEADLINE_EXCEEDED
    if succeeded(pod):
        return SUCCEEDED
    if not (ended or deleted or over(pod)):
        return None
    if word := disruption.reason(pod, ended) or said:
        return str(word)
    if ended and not disruption.stopped_by_deletion(pod, ended):
        return str(ended.get("reason") or "Error")
    return DELETED if ended or deleted else "Error"


def _message(pod: Pod, ended: Mapping[str, Any]) -> str | None:
    """On failure the container's last words; where something else ended the pod, who did it and why."""
    if succeeded(pod):
        return None
    init, on_pod = failed_init(pod), podstatus.status(pod).get("message")
    disrupter = disruption.target(pod, ended)
    if disrupter or podstatus.status(pod).get("reason"):
        sources = [on_pod, disrupter.get("message"), ended.get("message")]
    else:
        sources = [ended.get("message"), on_pod, f"init container {init} failed" if init else ""]
    said = next((one for one in sources if one), "")
    return said.replace("\0", "").strip() or None
