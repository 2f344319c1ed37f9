"""What a pod's status says, in the contract's words: pure functions over the API server's JSON.

Read by the runner, which ends the task by it, and by the Kubernetes operator, which shows it in a resource's status:
one reading for both. Standard library only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from dynamic_pod import contract

Pod = Mapping[str, Any]
Attempt = dict[str, Any]

OVER: Final = frozenset({"Succeeded", "Failed"})
"""Phases a pod never leaves."""

STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
"""Waiting reasons of every healthy start: nothing a person has to know."""

PULL_FAILED: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""The kubelet alternates between these two words for one state; we say the second."""

SUCCEEDED: Final = "Completed"
DELETED: Final = "PodDeleted"
DEADLINE_EXCEEDED: Final = "DeadlineExceeded"

SIGNALS: Final = frozenset({128 + 9, 128 + 15})
"""Exit codes of a container that the kubelet stopped."""


NEVER: Final = "1970-01-01T00:00:00Z"
"""What the kubelet writes as the start of a container that could not be started."""


DEPTH_LIMIT: Final = 50
"""How deep lists and objects of a result may be nested."""


class Waiting(NamedTuple):
    """Why a container does not run yet."""

    reason: str
    message: str


class Result(NamedTuple):
    """What the container left at `contract.RESULT_PATH`."""

    found: bool
    value: Any = None


def over(pod: Pod) -> bool:
    """Whether all containers have ended for good."""
    return _status(pod).get("phase") in OVER


def succeeded(pod: Pod) -> bool:
    """Whether the pod ended well."""
    return bool(_status(pod).get("phase") == "Succeeded")


def started_at(pod: Pod) -> str | None:
    """When the main container started (RFC 3339), if it has."""
    state = _main(pod).get("state") or {}
    started = (state.get("running") or state.get("terminated") or {}).get("startedAt")
    return None if started in (None, NEVER) else str(started)


def waiting(pod: Pod) -> Waiting | None:
    """Why the pod does not get on, if for a reason that a person should know."""
    for status in _container_statuses(pod):
        state = (status.get("state") or {}).get("waiting") or {}
        reason = state.get("reason")
        if reason and reason not in STARTING:
            return Waiting("ImagePullBackOff" if reason in PULL_FAILED else reason, state.get("message", ""))
    for condition in _status(pod).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return Waiting(condition.get("reason", "Unschedulable"), condition.get("message", ""))
    return None


def earlier_attempts(pod: Pod) -> list[Attempt]:
    """The attempts before this pod, as its annotation records them."""
    text = (pod["metadata"].get("annotations") or {}).get(contract.ANNOTATION_ATTEMPTS, "[]")
    attempts: list[Attempt] = json.loads(text)
    return attempts


def attempt(pod: Pod, *, deleted: bool = False) -> Attempt:
    """The attempt this pod is, as far as it has come; `deleted` says that the pod no longer exists."""
    ended = _ended(pod)
    facts: Attempt = {
        "number": int((pod["metadata"].get("labels") or {}).get(contract.LABEL_ATTEMPT, "1")),
        "podName": pod["metadata"]["name"],
        "reason": _reason(pod, ended, deleted=deleted),
        "message": _message(pod, ended),
        "exitCode": ended.get("exitCode"),
        "startedAt": started_at(pod),
        "finishedAt": ended.get("finishedAt"),
    }
    return {key: value for key, value in facts.items() if value is not None}


def result(pod: Pod) -> Result:
    """The JSON value the container left, whether it ended well or not; text that is no JSON is no result."""
    text = words(pod)
    if not text:
        return Result(found=False)
    try:
        value = json.loads(text, parse_constant=_no_json)
        return Result(found=True, value=_storable(value, DEPTH_LIMIT))
    except (ValueError, RecursionError):
        return Result(found=False)


def failed_init(pod: Pod) -> str | None:
    """Name of the init container whose failure kept the main container from starting."""
    failed = None if _terminated(pod) else _failed_init(pod)
    return str(failed["name"]) if failed else None


def words(pod: Pod) -> str:
    """The text the main container left when it ended: its result, or on failure the end of its log."""
    return (_terminated(pod).get("message") or "").strip()


def _storable(value: Any, depth: int) -> Any:
    """Refuse what Airflow's triggerer or its database cannot carry: one such value would stop every task there is."""
    if not depth:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {_storable(key, depth): _storable(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item, depth - 1) for item in value]
    if isinstance(value, str):
        value.encode()  # refuses halves of surrogate pairs
        if "\0" in value:
            raise ValueError("a text holds NUL")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("no number")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a number is too large")
    return value


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _reason(pod: Pod, ended: Mapping[str, Any], *, deleted: bool) -> str | None:
    status = _status(pod)
    if status.get("reason"):  # the kubelet's word on the whole pod, such as Evicted or DeadlineExceeded
        return str(status["reason"])
    if status.get("phase") == "Succeeded":
        return SUCCEEDED
    if ended and not _stopped_by_deletion(pod, ended):
        return str(ended.get("reason") or "Error")
    if ended or deleted:
        return DELETED
    return "Error" if over(pod) else None


def _stopped_by_deletion(pod: Pod, ended: Mapping[str, Any]) -> bool:
    """Whether somebody deleted the pod while the container ran, so that its end is no act of its own."""
    deletion = pod["metadata"].get("deletionTimestamp")
    if deletion is None or ended.get("reason") != "Error" or not ended.get("finishedAt"):
        return False
    grace = timedelta(seconds=pod["metadata"].get("deletionGracePeriodSeconds") or 0)
    asked, finished = datetime.fromisoformat(deletion) - grace, datetime.fromisoformat(ended["finishedAt"])
    return finished > asked or (finished == asked and ended.get("exitCode") in SIGNALS)


def _message(pod: Pod, ended: Mapping[str, Any]) -> str | None:
    """On failure the container's last words, else the kubelet's on the pod."""
    if succeeded(pod):
        return None
    init = failed_init(pod)
    said = ended.get("message") or _status(pod).get("message") or (f"init container {init} failed" if init else "")
    return said.replace("\0", "").strip() or None


def _ended(pod: Pod) -> Mapping[str, Any]:
    """The end that decided the pod's: the main container's, or the init container's that kept it from starting."""
    if main := _terminated(pod):
        return main
    failed = _failed_init(pod)
    return failed["state"]["terminated"] if failed else {}


def _failed_init(pod: Pod) -> Mapping[str, Any] | None:
    for status in _status(pod).get("initContainerStatuses") or ():
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            found: Mapping[str, Any] = status
            return found
    return None


def _terminated(pod: Pod) -> Mapping[str, Any]:
    terminated: Mapping[str, Any] = (_main(pod).get("state") or {}).get("terminated") or {}
    return terminated


def _main(pod: Pod) -> Mapping[str, Any]:
    for status in _status(pod).get("containerStatuses") or ():
        if status.get("name") == contract.CONTAINER:
            found: Mapping[str, Any] = status
            return found
    return {}


def _container_statuses(pod: Pod) -> Sequence[Mapping[str, Any]]:
    status = _status(pod)
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _status(pod: Pod) -> Mapping[str, Any]:
    status: Mapping[str, Any] = pod.get("status") or {}
    return status
