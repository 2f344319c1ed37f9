"""Takes the steps that `reconcile` decides: the only place where facts are gathered and anything is changed.

`handlers` and `podwatch` report what they see, the observer reports runs; each report marks one job for a look. A few
workers take one look at a time per job. Errors say by class what to do: wait for Airflow together, show the reason,
or look again when the newer version of the object arrives.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airflow_container_job import conf, status
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.errors import (
    AirflowError,
    ClusterError,
    Conflict,
    Gone,
    InvalidJob,
    RunExists,
    RunRefused,
)
from airflow_container_job.facts import LOST, DagRun, Facts, Outcome, Trouble
from airflow_container_job.job import ANNOTATION_DECISION, FINALIZER, Decision, Job, parse
from airflow_container_job.observer import Observer
from airflow_container_job.reconcile import Step, next_step
from airflow_container_job.workqueue import WorkQueue
from dynamic_pod import contract, outcome

WORKERS: Final = 16
"""Jobs looked at at once; requests to Airflow are bounded on their own."""

RETRY_SECONDS: Final = 5.0
"""When to look again after an error that nobody will report the end of."""

UNFINISHED: Final = 0.2
"""Added to a pause, so that the pause is over when it is used."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Known:
    """One job and all that is known about it."""

    job: Job | None = None
    facts: Facts = field(default_factory=Facts)


class Controller:
    """All jobs, and the workers that look at them."""

    def __init__(
        self,
        airflow: AirflowApi,
        cluster: ClusterApi,
        observer: Observer,
        links: status.Links,
        deletion_deadline: timedelta,
    ) -> None:
        self._airflow = airflow
        self._cluster = cluster
        self._observer = observer
        self._links = links
        self._deadline = deletion_deadline
        self._known: dict[str, Known] = {}
        self._queue = WorkQueue()
        self._take: dict[Step, Callable[[Job, Facts], Awaitable[None]]] = {
            Step.ADMIT: self._admit,
            Step.TRIGGER: self._trigger,
            Step.READ: self._read,
            Step.STOP: self._stop,
            Step.RECORD: self._record,
            Step.RELEASE: self._release,
        }

    # ---- what others report

    def job_seen(self, body: Mapping[str, Any]) -> None:
        """A version of a resource, from the watch or as the answer to a write."""
        try:
            job = parse(body)
        except InvalidJob as error:
            log.warning("A resource cannot be read: %s", error)
            return
        known = self._known.setdefault(job.uid, Known())
        if known.job is not None and int(known.job.resource_version) >= int(job.resource_version):
            return
        if known.job is None or known.job.decision != job.decision:
            known.facts.begin_anew()
        known.job = job
        self._queue.add(job.uid)

    def job_gone(self, uid: str) -> None:
        """A resource is no longer there."""
        if (known := self._known.pop(uid, None)) and known.job and known.job.decision:
            if status.live(known.job, known.facts):  # nobody held it: the finalizer was taken off by hand
                self._observer.abandon(known.job.decision.dag_run_id)
            self._observer.forget(known.job.decision.dag_run_id)

    def pod_seen(self, pod: Mapping[str, Any], *, gone: bool) -> None:
        """A version of one of our pods; `gone` when it is the last one."""
        uid = owner_of(pod)
        if uid is None:
            return
        known = self._known.setdefault(uid, Known())
        known.facts.pods[pod["metadata"]["uid"]] = slim(pod)
        if gone:
            known.facts.gone.add(pod["metadata"]["uid"])
        else:
            known.facts.gone.discard(pod["metadata"]["uid"])  # a list from the server's cache may be behind
        if known.job is None and known.facts.gone >= known.facts.pods.keys():
            del self._known[uid]  # the last of a resource that is gone, too
        if (run := status.run_of(pod)) is not None:
            self._observer.pod_moved(run, ended=gone or outcome.over(pod))
        self._queue.add(uid)

    def pods_listed(self, namespace: str | None, uids: set[str]) -> None:
        """These are all pods there are in this namespace (None: everywhere): others we knew are gone."""
        for uid, known in self._known.items():
            for pod_uid, pod in known.facts.pods.items():
                here = namespace in (None, pod["metadata"]["namespace"])
                if here and pod_uid not in uids and pod_uid not in known.facts.gone:
                    known.facts.gone.add(pod_uid)
                    self._queue.add(uid)

    def run_seen(self, uid: str, run: DagRun) -> None:
        """Airflow's word on the decided run of this job."""
        known = self._known.get(uid)
        if known and known.job and known.job.decision and known.job.decision.dag_run_id == run.dag_run_id:
            known.facts.run = run
            self._queue.add(uid)

    # ---- workers

    async def run(self) -> None:
        """Look at jobs, for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            try:
                await self._look(uid)
            except Exception:  # one poisoned object must not end the service of all others
                log.exception("Looking at job %s failed", uid)
                self._queue.add_after(uid, RETRY_SECONDS)
            finally:
                self._queue.done(uid)

    async def _look(self, uid: str) -> None:
        known = self._known.get(uid)
        if known is None or known.job is None:
            return
        job, facts = known.job, known.facts
        step = next_step(job, facts, _now(), self._deadline)
        if step is Step.NOTHING:
            return
        try:
            await self._step(step, job, facts)
        except Gone:
            self.job_gone(uid)
        except Conflict:
            self._queue.add_after(uid, RETRY_SECONDS)  # the watch brings the newer version, most likely sooner
        except ClusterError as error:
            log.warning("%s: %s", job, error)
            self._queue.add_after(uid, RETRY_SECONDS)

    async def _step(self, step: Step, job: Job, facts: Facts) -> None:
        try:
            await self._take[step](job, facts)
        except AirflowError as error:
            await self._show_trouble(job, facts, error)

    async def _show_trouble(self, job: Job, facts: Facts, error: AirflowError) -> None:
        """Say once why the job does not get on, and look again when that may have changed."""
        trouble = Trouble(error.reason, str(error))
        if facts.trouble is None or facts.trouble.reason != trouble.reason:
            log.warning("%s: %s: %s", job, trouble.reason, trouble.message)
            facts.trouble = trouble  # the first message stays: equal trouble must not write again
        if facts.run is None or job.deleted_at is not None:
            await self._write(job, facts)
        pause = self._airflow.gate.pause or RETRY_SECONDS
        if job.deleted_at is not None:
            pause = min(pause, self._left(job.deleted_at))
        self._queue.add_after(job.uid, pause + UNFINISHED)

    def _left(self, deleted_at: datetime) -> float:
        """Seconds until a deleted resource is let go in any case."""
        return max(0.0, (self._deadline - (_now() - deleted_at)).total_seconds())

    # ---- steps

    async def _admit(self, job: Job, _facts: Facts) -> None:
        decision = Decision.of(job.uid, job.generation, job.spec)
        finalizers = [*(f for f in job.finalizers if f != FINALIZER), FINALIZER]
        self.job_seen(await self._cluster.patch_metadata(job, finalizers, {ANNOTATION_DECISION: decision.dump()}))

    async def _trigger(self, job: Job, facts: Facts) -> None:
        assert job.decision is not None  # noqa: S101 - for the type checker: `next_step` admits first
        dag_run_id = job.decision.dag_run_id
        note = f"{job.namespace}/{job.name} (AirflowContainerJob {job.uid})"
        try:
            facts.run = await self._airflow.trigger(self._links.dag_id, dag_run_id, conf.build(job), note)
        except RunExists:
            facts.run = await self._adopt(job, dag_run_id)
        except RunRefused as error:
            await self._fail(job, f"Airflow refuses this spec: {error}")
            return
        if facts.run is not None:
            log.info("%s: DagRun %s is %s", job, dag_run_id, facts.run.state)
            facts.trouble = None
            self._observer.follow(dag_run_id, job.uid)
            await self._write(job, facts)

    async def _adopt(self, job: Job, dag_run_id: str) -> DagRun | None:
        """A DagRun of our id exists: made by us before a crash, or by somebody else."""
        run = await self._airflow.read(self._links.dag_id, dag_run_id)
        if run is None:  # deleted between the two requests: the next look triggers again
            self._queue.add_after(job.uid, RETRY_SECONDS)
        elif run.owner_uid != job.uid:
            await self._fail(job, f"DagRun {dag_run_id} exists in Airflow, but its conf names another owner; delete it")
            return None
        return run

    async def _fail(self, job: Job, message: str) -> None:
        self.job_seen(await self._cluster.write_status(job, status.invalid(job, message, _now())))

    async def _read(self, job: Job, _facts: Facts) -> None:
        assert job.decision is not None  # noqa: S101 - for the type checker: it is recorded as triggered
        self._observer.follow(job.decision.dag_run_id, job.uid, unread=True)

    async def _stop(self, job: Job, facts: Facts) -> None:
        assert job.decision is not None  # noqa: S101 - for the type checker: nothing runs without a decision
        dag_run_id = job.decision.dag_run_id
        facts.run = await self._airflow.read(self._links.dag_id, dag_run_id) or DagRun(dag_run_id, LOST)
        if not facts.run.over and not job.finished:  # read just now: an end that came first counts
            facts.run = await self._airflow.stop(self._links.dag_id, dag_run_id) or DagRun(dag_run_id, LOST)
            log.info("%s: DagRun %s was asked to stop", job, dag_run_id)
        if job.finished and not facts.run.over:
            return  # somebody cleared the run in Airflow: its pod is wanted
        for pod in status.pods_at_work(job, facts):
            if not pod["metadata"].get("deletionTimestamp"):
                await self._cluster.delete_pod(pod)
        if not status.pods_at_work(job, facts):
            self._queue.add(job.uid)
        elif job.deleted_at is not None:
            self._queue.add_after(job.uid, self._left(job.deleted_at) + UNFINISHED)

    async def _record(self, job: Job, facts: Facts) -> None:
        if facts.run is not None and facts.run.over and facts.run.state != LOST and not job.closing:
            await self._complete(job, facts)
        await self._write(job, facts)

    async def _complete(self, job: Job, facts: Facts) -> None:
        """Learn how the container ended: from its pod as we saw it, else from what the task left in Airflow."""
        if facts.outcome is not None or job.decision is None or status.seen_to_the_end(job, facts):
            return
        left = await self._airflow.xcom(
            self._links.dag_id, job.decision.dag_run_id, contract.TASK_ID, contract.XCOM_OUTCOME
        )
        if left is not None:
            facts.outcome = Outcome(left["attempts"], left.get("result"))

    async def _release(self, job: Job, facts: Facts) -> None:
        if job.deleted_at is not None and status.live(job, facts) and job.decision is not None:
            log.warning("%s: let go with its DagRun not stopped within %s; trying on", job, self._deadline)
            self._observer.abandon(job.decision.dag_run_id)
        body = await self._cluster.patch_metadata(job, [f for f in job.finalizers if f != FINALIZER], {})
        self.job_seen(body)
        if job.finished and job.decision is not None:
            self._observer.forget(job.decision.dag_run_id)

    async def _write(self, job: Job, facts: Facts) -> None:
        wanted = status.derive(job, facts, self._links, _now())
        if wanted != job.status:
            self.job_seen(await self._cluster.write_status(job, wanted))


def owner_of(pod: Mapping[str, Any]) -> str | None:
    """The uid of the job this pod belongs to: label and owner reference must agree, a copied label is not enough."""
    uid = (pod["metadata"].get("labels") or {}).get(contract.LABEL_JOB_UID)
    owners = {reference["uid"] for reference in pod["metadata"].get("ownerReferences") or ()}
    return uid if uid in owners else None


def slim(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod without what nobody here reads: its spec and the record of who manages which field."""
    meta = {key: value for key, value in pod["metadata"].items() if key != "managedFields"}
    return {"metadata": meta, "status": pod.get("status") or {}}


def _now() -> datetime:
    return datetime.now(UTC)
