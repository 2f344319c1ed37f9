"""How a task ended: what the runner hands to the trigger or the worker, and what Airflow keeps of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dynamic_pod import contract, outcome, policy

Json = dict[str, Any]

INVALID: Final = "InvalidSpec"
"""Reason of an end without a pod: nothing could be made of the values."""

NO_RESULT: Final = outcome.Result(found=False)


@dataclass(frozen=True, slots=True)
class End:
    """How a task ended."""

    succeeded: bool
    attempts: list[Json]
    message: str
    """In a sentence, for the task's log; without what the container's own log tells already."""
    result: outcome.Result = NO_RESULT
    namespace: str | None = None
    final: bool = False
    """Whether the task shall not be tried again either, whatever its `retries` say."""

    def xcoms(self) -> Json:
        """What Airflow keeps of it, by XCom key."""
        outcome: Json = {"attempts": self.attempts}
        xcoms: Json = {contract.XCOM_OUTCOME: outcome}
        if self.result.found:
            outcome["result"] = xcoms[contract.XCOM_RESULT] = self.result.value
        if self.result.problem:
            outcome["resultProblem"] = self.result.problem
        if name := self.attempts[-1].get("podName"):
            xcoms |= {contract.XCOM_POD_NAME: name, contract.XCOM_POD_NAMESPACE: self.namespace}
        return xcoms


def without_pod(message: str, earlier: Sequence[Mapping[str, Any]] = (), reason: str = INVALID) -> End:
    """The end of a task for which no pod could be made."""
    number = earlier[-1]["number"] + 1 if earlier else 1
    last = {"number": number, "reason": reason, "cause": policy.FAILURE, "message": message}
    return End(succeeded=False, attempts=[*map(dict, earlier), last], message=f"{reason}: {message}")


def sentence(attempt: Json, *, known: bool) -> str:
    """Say an attempt's end; `known`: what the container said is in the log already."""
    code = f" (exit code {attempt['exitCode']})" if "exitCode" in attempt else ""
    message = "" if known or "message" not in attempt else f": {attempt['message']}"
    return f"{attempt['reason']}{code}{message}"
