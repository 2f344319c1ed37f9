"""One try of a task: its pods one after the other, from the first to the end.

Called by the trigger, and by the operator in a worker. Everything it needs to know is in the cluster: a runner that
starts anew finds the pod of its task, running or finished, and goes on from there. A pod is made only when no container
of the one before can run any more, and records the attempts before it; then the one before is deleted. The last pod
stays, for the caller to delete once the end is recorded: a pod deleted too early would be a container run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from dynamic_pod import contract, deadline, manifest, outcome, podstatus, policy
from dynamic_pod.admission import admit, adopt
from dynamic_pod.api import ApiError
from dynamic_pod.cluster import Cluster
from dynamic_pod.end import End, sentence, without_pod
from dynamic_pod.logs import Copier
from dynamic_pod.patience import Log, Patience
from dynamic_pod.watch import Follower

Json = dict[str, Any]

PROBLEMS: Final[Mapping[str, str]] = {
    outcome.TOO_LARGE: "is larger than 4096 bytes",
    outcome.NOT_JSON: "is not JSON that Airflow can store",
}


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
        self._held_back = False  # whether the next pod is made before the pause, and not after it

    async def run(self) -> End:
        """Run attempts until one succeeds or none is left."""
        try:
            await self._delete_earlier_tries()
            found = max(await self._pods(), key=outcome.number, default=None)
            self._attempts = [] if found is None else outcome.earlier_attempts(found)
            while True:
                pod, gone = await self._attempt(found)
                found = None
                decision = self._judge(pod, gone=gone)
                if not decision.goes_on or not await self._paused(pod, gone=gone):
                    break
        except ApiError as error:
            return without_pod(f"Kubernetes refused the pod: {error}", self._attempts)
        message = sentence(self._attempts[-1], known=bool(outcome.words(pod)))
        succeeded = outcome.succeeded(pod)
        return End(succeeded, self._attempts, message, self._result(pod), self._namespace, decision.final)

    async def clean_up(self) -> None:
        """Delete the last pod, unless it shall stay, once the end is recorded."""
        if self._last is not None and not self._last.gone and self._may_go(self._last.pod):
            await self._delete(self._last.pod)

    async def kill(self) -> None:
        """Delete the pods of this try and earlier ones, whoever made them, but those that ended and shall stay."""
        await self._delete_earlier_tries()
        for pod in await self._pods():
            if self._may_go(pod):
                await self._delete(pod)

    async def _delete_earlier_tries(self) -> None:
        """Delete what earlier tries left: who stops a task that is cleared may find it deferred again, and leave it."""
        this_try = self._identity.try_number
        if this_try <= 1:
            return
        for pod in await self._listed(self._identity.selector_of_all_tries):
            if int(pod["metadata"]["labels"][contract.LABEL_TRY]) < this_try and self._may_go(pod):
                await self._delete(pod)

    async def _attempt(self, found: Json | None) -> tuple[Json, bool]:
        """Run one pod, found or made now, to its end; returns its last state, and whether it is gone without one."""
        number = outcome.number(found) if found else 1 + max((one["number"] for one in self._attempts), default=0)
        body = found or self._manifest(number)
        watch = self._cluster.pods(self._namespace)
        with watch.follow(body["metadata"]["name"]) as follower:
            if found:
                pod = await adopt(self._api, found, self._log, self._patience)
            else:
                make_room = partial(self._delete_ended, before=number)
                pod = await admit(self._api, body, self._log, self._patience, make_room)
            follower.start(pod or body)
            if pod is None:  # gone since it was found
                follower.tell(None)
            self._last = follower
            watch.start(follower.pod["metadata"]["resourceVersion"])
            if self._attempts:
                await self._delete_ended(before=number)
            if pod and outcome.held_back(pod):
                await self._release(pod, number)
            pod = await self._follow(follower)
        return pod, not outcome.over(pod)

    def _manifest(self, number: int) -> Json:
        left = deadline.left(self._values, self._attempts)
        left = None if left is None else max(1, left)  # the pause may have taken the last of it
        return manifest.build(self._values, self._identity, number, self._attempts, left, held_back=self._held_back)

    async def _follow(self, follower: Follower) -> Json:
        """Follow a pod to its end, its log with it; returns it as it ended, or as it was before it was gone."""
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
            elif init := outcome.failed_init(pod):
                self._log.info("Log of init container %s:", init)
                await Copier.of_ended(self._api, pod, init, self._log).copy()
            return pod
        finally:
            if copying is not None:
                copying.cancel()

    async def _tend(self, pod: Json) -> None:
        """Do and say what a pod on its way asks for."""
        if waiting := outcome.waiting(pod):
            self._patience.tell_once(waiting.reason, f"The pod waits: {waiting.reason}: {waiting.message}")
        name = pod["metadata"]["name"]
        if pod["metadata"].get("deletionTimestamp"):
            by = podstatus.condition(pod, "DisruptionTarget").get("message", "somebody asked for it")
            said = f"The pod is being deleted ({by}); what follows waits for its node's word that its containers ended"
            self._patience.tell_once(f"deletion of {name}", said)
        limit = deadline.as_kubelet_counts(self._values, pod)
        if limit is None or name == self._limited or "activeDeadlineSeconds" in pod["spec"]:
            return
        self._limited = name
        try:
            await self._patch(name, {"activeDeadlineSeconds": limit})
        except ApiError as error:
            self._log.warning("active_deadline_seconds is not enforced: %s", error)

    def _judge(self, pod: Json, *, gone: bool) -> policy.Decision:
        """Record the attempt that ended, and say what follows."""
        attempt = outcome.attempt(pod, deleted=gone)
        decision = policy.decide(self._values, self._attempts, pod, deleted=gone)
        if decision.cause:
            attempt["cause"] = decision.cause
            follows = "the next one follows" if decision.goes_on else "no other follows"
            said = f"Attempt {attempt['number']} ended: {attempt['reason']}, {decision.cause}"
            self._log.info("%s; %s: %s", said, decision.why, follows)
        self._attempts = policy.remembered([*self._attempts, attempt])
        return decision

    async def _paused(self, pod: Json, *, gone: bool) -> bool:
        """Let the time between two attempts pass; returns whether there is time for another one."""
        last = self._attempts[-1]
        seconds = policy.pause(self._values, last["number"], disrupted=outcome.disrupted(pod, deleted=gone))
        wait = deadline.remaining(seconds, since=last.get("finishedAt"))
        left = deadline.left(self._values, self._attempts)
        if left is not None and left <= wait:
            self._log.info("No attempt follows: active_deadline_seconds leaves no time for it")
            return False
        self._held_back = gone
        if not gone:  # else the next pod is made at once, lest nothing in the cluster knows of the attempts
            await self._sleep(wait)
        return True

    async def _release(self, pod: Json, number: int) -> None:
        """Let a pod start that was held back, once its pause is over."""
        seconds = policy.pause(self._values, number - 1, disrupted=True)
        await self._sleep(deadline.remaining(seconds, since=pod["metadata"]["creationTimestamp"]))
        left = deadline.left(self._values, self._attempts)
        limit = {} if left is None else {"activeDeadlineSeconds": max(1, left)}
        try:
            await self._patch(pod["metadata"]["name"], {"schedulingGates": None, **limit})
        except ApiError as error:
            if error.status != 404:  # deleted meanwhile, which the watch tells
                raise

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._log.info("The next attempt begins in %.0f s", seconds)
            await asyncio.sleep(seconds)

    def _result(self, pod: Json) -> outcome.Result:
        result = outcome.result(pod)
        if result.problem:
            self._log.warning(
                "What the container left at %s is no result: it %s.", contract.RESULT_PATH, PROBLEMS[result.problem]
            )
        return result

    def _may_go(self, pod: Json) -> bool:
        """Whether a pod may be deleted: one that has ended may have to stay for somebody to look at."""
        action = self._values.get("on_finish_action", "delete_pod")
        if not outcome.over(pod) or action == "delete_pod":
            return True
        return bool(action == "delete_succeeded_pod" and outcome.succeeded(pod))

    async def _delete_ended(self, before: int) -> bool:
        """Delete the pods of the attempts that ended, up to a number; returns whether there were any.

        Asked for once the pod of that number exists, and also when a quota refuses it.
        """
        going = [
            pod
            for pod in await self._pods()
            if outcome.over(pod)
            and self._may_go(pod)
            and "deletionTimestamp" not in pod["metadata"]
            and outcome.number(pod) < before
        ]
        for pod in going:
            await self._delete(pod)
        return bool(going)

    async def _delete(self, pod: Json) -> None:
        """Delete a pod: at once when it has ended, else with its own grace period."""
        grace_seconds = 0 if outcome.over(pod) else None
        if grace_seconds is None:  # of the other nobody need be told: each line costs Airflow several transactions
            self._log.info("Deleting pod %s/%s", self._namespace, pod["metadata"]["name"])
        await self._patience.until_answered(lambda: self._api.delete_pod(pod, grace_seconds))

    async def _patch(self, name: str, spec: Json) -> None:
        await self._patience.until_answered(lambda: self._api.patch_pod(self._namespace, name, {"spec": spec}))

    async def _pods(self) -> list[Json]:
        return await self._listed(self._identity.selector)

    async def _listed(self, selector: str) -> list[Json]:
        listed = await self._patience.until_answered(lambda: self._api.list_pods(self._namespace, selector))
        pods: list[Json] = listed["items"]
        return pods
