"""One try of a task: its pods one after the other, from the first to the end.

Called by the trigger, and by the operator in a worker. Everything it needs to know is in the cluster: a runner that
starts anew finds the pod of its task, running or finished, and goes on from there. It leaves the last pod in place, for
the caller to delete once the end is recorded: a pod deleted too early would be a container run twice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from dynamic_pod import contract, manifest, outcome
from dynamic_pod.admission import admit
from dynamic_pod.api import ApiError
from dynamic_pod.cluster import Cluster
from dynamic_pod.logs import Copier
from dynamic_pod.patience import Log, Patience
from dynamic_pod.watch import Follower

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

    def xcoms(self) -> Json:
        """What Airflow keeps of it, by XCom key."""
        outcome: Json = {"attempts": self.attempts}
        xcoms: Json = {contract.XCOM_OUTCOME: outcome}
        if self.result.found:
            outcome["result"] = xcoms[contract.XCOM_RESULT] = self.result.value
        if name := self.attempts[-1].get("podName"):
            xcoms |= {contract.XCOM_POD_NAME: name, contract.XCOM_POD_NAMESPACE: self.namespace}
        return xcoms


def without_pod(message: str, earlier: list[Json] | None = None, reason: str = INVALID) -> End:
    """The end of a task for which no pod could be made."""
    attempts = list(earlier or ())
    number = len(attempts) + 1
    attempts.append({"number": number, "reason": reason, "message": message})
    return End(succeeded=False, attempts=attempts, message=f"{reason}: {message}")


class Runner:
    """Runs the pods of one try of one task instance."""

    def __init__(self, cluster: Cluster, identity: manifest.Identity, values: Mapping[str, Any], log: Log) -> None:
        self._cluster = cluster
        self._api = cluster.api
        self._identity = identity
        self._values = {"namespace": cluster.namespace, **values}
        self._namespace: str = self._values["namespace"]
        self._log = log
        self._patience = Patience(log)
        self._limited = ""  # the pod whose deadline the kubelet knows
        self._attempts: list[Json] = []  # those that ended
        self._last: Follower | None = None

    async def run(self) -> End:
        """Run attempts until one succeeds or none is left."""
        try:
            self._attempts = await self._before_us()
            while True:
                pod, gone = await self._attempt()
                self._attempts.append(outcome.attempt(pod, deleted=gone))
                if not self._goes_on(pod):
                    break
        except ApiError as error:
            return without_pod(f"Kubernetes refused the pod: {error}", self._attempts)
        message = _sentence(self._attempts[-1], known=bool(outcome.words(pod)))
        return End(outcome.succeeded(pod), self._attempts, message, self._result(pod), self._namespace)

    async def clean_up(self) -> None:
        """Delete the last pod, once the end is recorded."""
        if self._last is not None and not self._last.gone:
            await self._delete(self._last.pod)

    async def kill(self) -> None:
        """Delete all pods of this try, whoever created them."""
        for pod in await self._pods():
            await self._delete(pod)

    async def _before_us(self) -> list[Json]:
        """The attempts that an earlier runner of this try has seen end."""
        if not self._values.get("retries"):
            return []  # the first pod is the only one, and its name finds it
        last = max(await self._pods(), key=_number, default=None)
        return [] if last is None else outcome.earlier_attempts(last)

    async def _attempt(self) -> tuple[Json, bool]:
        """Run one pod to its end; returns its last state, and whether it is gone without one."""
        number = len(self._attempts) + 1
        left = self._left()  # of a pod that is found rather than made, the time may be over
        left = None if left is None else max(1, left)
        body = manifest.build(self._values, self._identity, number, self._attempts, left)
        watch = self._cluster.pods(self._namespace)
        with watch.follow(body["metadata"]["name"]) as follower:
            pod = await admit(self._api, body, self._log, self._patience)
            follower.start(pod)
            self._last = follower
            watch.start(pod["metadata"]["resourceVersion"])
            if self._attempts:
                await self._delete_before(number)
            await self._follow(follower)
        return follower.pod, follower.gone and not outcome.over(follower.pod)

    async def _follow(self, follower: Follower) -> None:
        """Follow a pod to its end, its log with it."""
        copier = Copier(self._api, follower.pod, contract.CONTAINER, self._log)
        copying: asyncio.Task[None] | None = None
        try:
            while True:
                pod, ended = follower.pod, follower.gone or outcome.over(follower.pod)
                if ended:
                    copier.container_ended()
                if copying is None and outcome.started_at(pod):
                    copying = asyncio.create_task(copier.copy())
                if ended:
                    break
                await self._tend(pod)
                await follower.news()
            if copying is not None:
                await copying
            elif init := outcome.failed_init(follower.pod):
                self._log.info("Log of init container %s:", init)
                await Copier.of_ended(self._api, follower.pod, init, self._log).copy()
        finally:
            if copying is not None:
                copying.cancel()

    async def _tend(self, pod: Json) -> None:
        """Do and say what a pod on its way asks for."""
        if waiting := outcome.waiting(pod):
            self._patience.tell_once(waiting.reason, f"The pod waits: {waiting.reason}: {waiting.message}")
        name = pod["metadata"]["name"]
        limit = self._limit(pod)
        if limit is None or name == self._limited or "activeDeadlineSeconds" in pod["spec"]:
            return
        self._limited = name
        patch = {"spec": {"activeDeadlineSeconds": limit}}
        try:
            await self._patience.until_answered(lambda: self._api.patch_pod(self._namespace, name, patch))
        except ApiError as error:
            self._log.warning("active_deadline_seconds is not enforced: %s", error)

    def _limit(self, pod: Json) -> int | None:
        """The deadline as the kubelet counts it: from when it took the pod, not from the container's start."""
        seconds: int | None = self._values.get("active_deadline_seconds")
        started = outcome.started_at(pod)
        if seconds is None or started is None:
            return None
        return seconds + math.ceil((_time(started) - _time(pod["status"]["startTime"])).total_seconds())

    def _left(self) -> int | None:
        """Seconds that are left to an attempt after the first, whose container's start began the count."""
        seconds: int | None = self._values.get("active_deadline_seconds")
        first = next((one["startedAt"] for one in self._attempts if "startedAt" in one), None)
        if seconds is None or first is None:
            return None
        return math.ceil(seconds - (datetime.now(UTC) - _time(first)).total_seconds())

    def _goes_on(self, pod: Json) -> bool:
        """Whether a further attempt follows the last one."""
        last, left = self._attempts[-1], self._left()
        if outcome.succeeded(pod) or last["reason"] == outcome.DEADLINE_EXCEEDED:
            return False
        if len(self._attempts) > self._values.get("retries", 0) or (left is not None and left <= 0):
            return False
        self._log.info("Attempt %s ended: %s; the next one follows", last["number"], last["reason"])
        return True

    def _result(self, pod: Json) -> outcome.Result:
        result = outcome.result(pod)
        if outcome.succeeded(pod) and not result.found and outcome.words(pod):
            self._log.warning(
                "What the container left at %s is no result: it must be JSON of at most 4096 bytes.",
                contract.RESULT_PATH,
            )
        return result

    async def _delete_before(self, number: int) -> None:
        """Delete the pods of the attempts before this one, which records them."""
        for pod in await self._pods():
            if _number(pod) < number:
                await self._delete(pod)

    async def _delete(self, pod: Json) -> None:
        """Delete a pod: at once when it has ended, else with its own grace period."""
        grace_seconds = 0 if outcome.over(pod) else None
        self._log.info("Deleting pod %s/%s", self._namespace, pod["metadata"]["name"])
        await self._patience.until_answered(lambda: self._api.delete_pod(pod, grace_seconds))

    async def _pods(self) -> list[Json]:
        selector = self._identity.selector
        listed = await self._patience.until_answered(lambda: self._api.list_pods(self._namespace, selector))
        pods: list[Json] = listed["items"]
        return pods


def _sentence(attempt: Json, *, known: bool) -> str:
    code = f" (exit code {attempt['exitCode']})" if "exitCode" in attempt else ""
    message = "" if known or "message" not in attempt else f": {attempt['message']}"
    return f"{attempt['reason']}{code}{message}"


def _number(pod: Mapping[str, Any]) -> int:
    return int(pod["metadata"]["labels"][contract.LABEL_ATTEMPT])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
