"""Ways into a pod's status as the API server tells it: nothing is concluded here.

Used by `disruption`, `outcome` and `policy`. Every part may be missing. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dynamic_pod import contract

Pod = Mapping[str, Any]

OVER: Final = frozenset({"Succeeded", "Failed"})
"""Phases a pod never leaves; the kubelet says so when no container of it can run any more."""


def status(pod: Pod) -> Mapping[str, Any]:
    """The status as a whole."""
    found: Mapping[str, Any] = pod.get("status") or {}
    return found


def over(pod: Pod) -> bool:
    """Whether all containers have ended for good."""
    return status(pod).get("phase") in OVER


def succeeded(pod: Pod) -> bool:
    """Whether the pod ended well."""
    return bool(status(pod).get("phase") == "Succeeded")


def condition(pod: Pod, kind: str) -> Mapping[str, Any]:
    """The condition of this type."""
    conditions: Sequence[Mapping[str, Any]] = status(pod).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), {})


def containers(pod: Pod) -> Sequence[Mapping[str, Any]]:
    """What is known of each container, init containers first."""
    parts = status(pod)
    return [*(parts.get("initContainerStatuses") or ()), *(parts.get("containerStatuses") or ())]


def main_state(pod: Pod) -> Mapping[str, Any]:
    """The state of the main container."""
    for one in status(pod).get("containerStatuses") or ():
        if one.get("name") == contract.CONTAINER:
            return one.get("state") or {}
    return {}


def main_end(pod: Pod) -> Mapping[str, Any]:
    """The end of the main container."""
    return main_state(pod).get("terminated") or {}


def failed_init(pod: Pod) -> str | None:
    """Name of the init container whose failure kept the main container from starting."""
    failed = None if main_end(pod) else _failed_init(pod)
    return str(failed["name"]) if failed else None


def end(pod: Pod) -> Mapping[str, Any]:
    """The end that decided the pod's: the main container's, or the init container's that kept it from starting."""
    if main := main_end(pod):
        return main
    failed = _failed_init(pod)
    return failed["state"]["terminated"] if failed else {}


def _failed_init(pod: Pod) -> Mapping[str, Any]:
    for one in status(pod).get("initContainerStatuses") or ():
        if ((one.get("state") or {}).get("terminated") or {}).get("exitCode"):
            found: Mapping[str, Any] = one
            return found
    return {}
