"""Whether another attempt follows one that ended, and after which pause: pure, over the values, the attempts, the pod.

Asked by the runner at each pod's end. The words and the order are those of a Kubernetes Job; what a Job counts as one,
failures and disruptions, has a budget each. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dynamic_pod import outcome, podstatus

Json = Mapping[str, Any]

FAILURE: Final = "Failure"
DISRUPTION: Final = "Disruption"
IGNORED: Final = "Ignored"

DISRUPTION_LIMIT: Final = 10
"""How many disruptions one try of a task lives through."""

DISRUPTION_SECONDS: Final = 5
"""Shortest pause after a disruption: who stops a run may delete its pod first, and the word of it arrives meanwhile."""

BACKOFF: Final[Mapping[str, int]] = {"initialSeconds": 10, "factor": 2, "capSeconds": 360}
"""A Job's own."""

IGNORED_KEPT: Final = 100
"""How many ignored attempts are remembered; they decide nothing, and there is no limit to them."""


class Decision(NamedTuple):
    """What an attempt's end means."""

    cause: str | None
    """`FAILURE`, `DISRUPTION` or `IGNORED`; None of a success."""
    goes_on: bool
    why: str
    """In a few words, for the task's log."""
    final: bool = False
    """Whether no further try of the task shall follow either, as `FailJob` says."""


def decide(values: Json, earlier: Sequence[Json], pod: outcome.Pod, *, deleted: bool = False) -> Decision:
    """Judge the end of a pod; `earlier` are the attempts before it, `deleted` says that it is gone without an end."""
    if outcome.succeeded(pod):
        return Decision(None, goes_on=False, why="it succeeded")
    if outcome.attempt(pod, deleted=deleted).get("reason") == outcome.DEADLINE_EXCEEDED:
        return Decision(FAILURE, goes_on=False, why="active_deadline_seconds is over")
    rule = _matching_rule(values, pod)
    if rule is None:
        cause = DISRUPTION if outcome.disrupted(pod, deleted=deleted) else FAILURE
        return _within_budget(cause, values, earlier)
    number, action = rule
    if action == "FailJob":
        return Decision(FAILURE, goes_on=False, why=f"rule {number} of pod_failure_policy says FailJob", final=True)
    if action == "Ignore":
        return Decision(IGNORED, goes_on=True, why=f"rule {number} of pod_failure_policy says Ignore")
    return _within_budget(FAILURE, values, earlier)


def pause(values: Json, number: int, *, disrupted: bool) -> int:
    """Seconds between the end of attempt `number` and the next one."""
    backoff = {**BACKOFF, **(values.get("backoff") or {})}
    initial, cap = backoff["initialSeconds"], backoff["capSeconds"]
    seconds = min(cap, initial * backoff["factor"] ** (number - 1))
    return int(max(seconds, DISRUPTION_SECONDS) if disrupted else seconds)


def remembered(attempts: Sequence[Json]) -> list[Any]:
    """Leave out the oldest of the ignored attempts, but the very first, where they are too many to be carried along."""
    ignored = [one["number"] for one in attempts[1:] if one.get("cause") == IGNORED]
    dropped = set(ignored[:-IGNORED_KEPT])
    return [one for one in attempts if one["number"] not in dropped]


def _within_budget(cause: str, values: Json, earlier: Sequence[Json]) -> Decision:
    used = 1 + sum(one.get("cause", FAILURE) == cause for one in earlier)
    limit = DISRUPTION_LIMIT if cause == DISRUPTION else values.get("retries", 0)
    budget = "disruptions" if cause == DISRUPTION else "retries"
    if used > limit:
        return Decision(cause, goes_on=False, why=f"none of {limit} {budget} is left")
    return Decision(cause, goes_on=True, why=f"{budget}: {used} of {limit}")


def _matching_rule(values: Json, pod: outcome.Pod) -> tuple[int, str] | None:
    """Find the first rule that fits, counted from 1, and its action."""
    rules = (values.get("pod_failure_policy") or {}).get("rules") or ()
    for number, rule in enumerate(rules, start=1):
        if _fits(rule, pod):
            return number, str(rule.get("action"))
    return None


def _fits(rule: Json, pod: outcome.Pod) -> bool:
    if codes := rule.get("onExitCodes"):
        return any(
            (code in codes.get("values", ())) is (codes.get("operator") == "In")
            for name, code in _failed_containers(pod)
            if codes.get("containerName") in (None, name)
        )
    return any(
        condition.get("type") == pattern.get("type") and condition.get("status") == pattern.get("status", "True")
        for pattern in rule.get("onPodConditions") or ()
        for condition in (pod.get("status") or {}).get("conditions") or ()
    )


def _failed_containers(pod: outcome.Pod) -> Iterator[tuple[str, int]]:
    """Name and exit code of each container, init containers included, that ended with another code than 0."""
    for status in podstatus.containers(pod):
        code = ((status.get("state") or {}).get("terminated") or {}).get("exitCode")
        if code:
            yield status["name"], code
