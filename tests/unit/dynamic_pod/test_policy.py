"""Which ends are followed by another attempt, what they count against, and after which pause."""

from __future__ import annotations

from typing import Any

import pytest

from dynamic_pod import policy


@pytest.fixture(autouse=True)
def _hurry() -> None:
    """The real pauses: nobody waits for them here."""


def pod(
    *,
    exit_code: int | None = 1,
    init_code: int | None = None,
    reason: str = "",
    target: str = "",
    conditions: tuple[tuple[str, str], ...] = (),
) -> dict[str, Any]:
    """A pod that ended, by the exit code of its main or its init container, or by what is said of it."""
    target_condition = [{"type": "DisruptionTarget", "status": "True", "reason": target}] if target else []
    status: dict[str, Any] = {
        "phase": "Succeeded" if exit_code == 0 else "Failed",
        "conditions": target_condition + [{"type": kind, "status": status} for kind, status in conditions],
    }
    if init_code is not None:
        status["initContainerStatuses"] = [{"name": "prepare", "state": {"terminated": {"exitCode": init_code}}}]
    elif exit_code is not None:
        status["containerStatuses"] = [{"name": "base", "state": {"terminated": {"exitCode": exit_code}}}]
    if reason:
        status["reason"] = reason
    return {"metadata": {"name": "p"}, "status": status}


VANISHED: dict[str, Any] = {"metadata": {"name": "p"}, "status": {"phase": "Running"}}


def rule(action: str, **matches: Any) -> dict[str, Any]:
    return {"pod_failure_policy": {"rules": [{"action": action, **matches}]}}


def codes(operator: str, *values: int, container: str | None = None) -> dict[str, Any]:
    requirement: dict[str, Any] = {"operator": operator, "values": list(values)}
    return requirement | ({"containerName": container} if container else {})


ON_DISRUPTION = [{"type": "DisruptionTarget"}]
EVICTED = pod(exit_code=137, target="EvictionByEvictionAPI")

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[Any, ...]]] = {
    # what happened: values, pod, (cause, whether another attempt follows)
    "success": ({"retries": 3}, pod(exit_code=0), (None, False)),
    "success although it was to be evicted": ({}, pod(exit_code=0, target="EvictionByEvictionAPI"), (None, False)),
    "failure without retries": ({}, pod(), ("Failure", False)),
    "failure with retries": ({"retries": 1}, pod(), ("Failure", True)),
    "init container fails": ({"retries": 1}, pod(init_code=2), ("Failure", True)),
    "deadline": ({"retries": 3}, pod(reason="DeadlineExceeded"), ("Failure", False)),
    "deadline is not asked for in rules": (
        {"retries": 3, **rule("Ignore", onExitCodes=codes("In", 1))},
        pod(reason="DeadlineExceeded"),
        ("Failure", False),
    ),
    "evicted": ({}, EVICTED, ("Disruption", True)),
    "preempted": ({}, pod(exit_code=137, target="PreemptionByScheduler"), ("Disruption", True)),
    "node lost": ({}, pod(exit_code=None, target="DeletionByTaintManager"), ("Disruption", True)),
    "evicted by the kubelet": (
        {},
        pod(exit_code=137, reason="Evicted", target="TerminationByKubelet"),
        ("Disruption", True),
    ),
    "evicted for what it used itself": ({}, pod(exit_code=137, reason="Evicted"), ("Failure", False)),
    "refused by the kubelet": ({}, pod(exit_code=None, reason="OutOfcpu"), ("Disruption", True)),
    "deleted": ({}, VANISHED, ("Disruption", True)),
    "FailJob": ({"retries": 3, **rule("FailJob", onExitCodes=codes("In", 1, 2))}, pod(), ("Failure", False)),
    "FailJob of another code": (
        {"retries": 3, **rule("FailJob", onExitCodes=codes("In", 2))},
        pod(),
        ("Failure", True),
    ),
    "NotIn": ({"retries": 3, **rule("FailJob", onExitCodes=codes("NotIn", 2))}, pod(), ("Failure", False)),
    "NotIn and the code is in": (
        {"retries": 3, **rule("FailJob", onExitCodes=codes("NotIn", 1))},
        pod(),
        ("Failure", True),
    ),
    "Ignore": (rule("Ignore", onExitCodes=codes("In", 1)), pod(), ("Ignored", True)),
    "Count": (rule("Count", onExitCodes=codes("In", 1)), pod(), ("Failure", False)),
    "a disruption ignored": (rule("Ignore", onPodConditions=ON_DISRUPTION), EVICTED, ("Ignored", True)),
    "a disruption counted": (rule("Count", onPodConditions=ON_DISRUPTION), EVICTED, ("Failure", False)),
    "a disruption that fails the job": (rule("FailJob", onPodConditions=ON_DISRUPTION), EVICTED, ("Failure", False)),
    "a condition that is false": (
        {"retries": 1, **rule("FailJob", onPodConditions=[{"type": "Ready"}])},
        pod(conditions=(("Ready", "False"),)),
        ("Failure", True),
    ),
    "a condition asked to be false": (
        {"retries": 1, **rule("FailJob", onPodConditions=[{"type": "Ready", "status": "False"}])},
        pod(conditions=(("Ready", "False"),)),
        ("Failure", False),
    ),
    "this container": (rule("Ignore", onExitCodes=codes("In", 1, container="base")), pod(), ("Ignored", True)),
    "another container": (rule("Ignore", onExitCodes=codes("In", 1, container="side")), pod(), ("Failure", False)),
    "an init container": (
        rule("Ignore", onExitCodes=codes("In", 7, container="prepare")),
        pod(init_code=7),
        ("Ignored", True),
    ),
    "no code at all": (rule("Ignore", onExitCodes=codes("NotIn", 2)), VANISHED, ("Disruption", True)),
}


@pytest.mark.parametrize("case", CASES)
def test_an_end_has_a_cause_and_a_consequence(case: str) -> None:
    values, ended, expected = CASES[case]
    decision = policy.decide(values, [], ended, deleted=ended is VANISHED)
    assert (decision.cause, decision.goes_on) == expected
    assert decision.final == ("FailJob" in decision.why)


def test_the_first_rule_that_fits_wins() -> None:
    rules = [
        {"action": "Ignore", "onExitCodes": codes("In", 42)},
        {"action": "FailJob", "onExitCodes": codes("NotIn", 3)},
        {"action": "Ignore", "onExitCodes": codes("In", 1)},
    ]
    decision = policy.decide({"retries": 5, "pod_failure_policy": {"rules": rules}}, [], pod())
    assert (decision.final, decision.why) == (True, "rule 2 of pod_failure_policy says FailJob")


def attempts(**causes: int) -> list[dict[str, Any]]:
    made = [cause for cause, count in causes.items() for _ in range(count)]
    return [{"number": number, "cause": cause} for number, cause in enumerate(made, start=1)]


@pytest.mark.parametrize(
    ("earlier", "ended", "goes_on"),
    [
        (attempts(Failure=1), pod(), True),
        (attempts(Failure=2), pod(), False),
        (attempts(Disruption=9, Ignored=50), pod(), True),  # neither counts against retries
        (attempts(Failure=2), EVICTED, True),  # and a failure not against disruptions
        (attempts(Failure=2, Disruption=9), EVICTED, True),
        (attempts(Failure=2, Disruption=10), EVICTED, False),
        ([{"number": 1}, {"number": 2}], pod(), False),  # recorded before there were causes
    ],
)
def test_failures_and_disruptions_have_a_budget_each(
    earlier: list[dict[str, Any]], ended: dict[str, Any], goes_on: bool
) -> None:
    assert policy.decide({"retries": 2}, earlier, ended).goes_on is goes_on


def test_what_is_ignored_never_comes_to_an_end() -> None:
    values = rule("Ignore", onPodConditions=ON_DISRUPTION)
    assert policy.decide(values, attempts(Ignored=5000), EVICTED).goes_on


@pytest.mark.parametrize(
    ("backoff", "disrupted", "seconds"),
    [
        (None, False, [10, 20, 40, 80, 160, 320, 360, 360]),
        ({"initialSeconds": 3, "factor": 3, "capSeconds": 30}, False, [3, 9, 27, 30, 30]),
        ({"factor": 1}, False, [10, 10, 10]),
        ({"initialSeconds": 0}, False, [0, 0]),
        ({"initialSeconds": 0}, True, [5, 5]),
        ({"capSeconds": 0}, True, [5, 5]),
        (None, True, [10, 20]),
    ],
)
def test_pauses_grow_to_a_cap(backoff: dict[str, int] | None, disrupted: bool, seconds: list[int]) -> None:
    values = {} if backoff is None else {"backoff": backoff}
    numbers = range(1, len(seconds) + 1)
    assert [policy.pause(values, number, disrupted=disrupted) for number in numbers] == seconds


def test_a_pause_after_very_many_attempts_is_still_the_cap() -> None:
    assert policy.pause({"backoff": {"factor": 10}}, 5000, disrupted=False) == 360


def test_of_very_many_ignored_attempts_the_oldest_are_forgotten() -> None:
    """A pod carries them along, and they decide nothing. The first tells when the count of the deadline began."""
    many = attempts(Ignored=150, Failure=3)
    kept = policy.remembered(many)
    assert [one["number"] for one in kept] == [1, *range(51, 154)]
    assert policy.remembered(kept) == kept
