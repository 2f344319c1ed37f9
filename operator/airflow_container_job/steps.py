"""Takes the steps that `reconcile` decides: the only place where anything is changed, in Airflow or in the cluster.

Called by the controller with one job and its facts at a time. Every step may be repeated after any crash. Errors are
the controller's to handle, but for events: those are for people, and nothing depends on them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from airflow_container_job import conf, events, pods, status, upkeep
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.closing import closing, live
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.decision import Decision, stamp
from airflow_container_job.errors import (
    AirflowUnreachable,
    ClusterError,
    DagDenied,
    InvalidJob,
    RunExists,
    RunRefused,
)
from airflow_container_job.facts import LOST, DagRun, Facts, Outcome
from airflow_container_job.job import ANNOTATION_DECISION, FINALIZER, GROUP, KIND, LINK, VERSION, Job
from airflow_container_job.observer import Observer
from airflow_container_job.reconcile import Step
from airflow_container_job.verdict import succeeded_first
from dynamic_pod import contract

RETRY_SECONDS: Final = 5.0
"""When to look again after an error that nobody will report the end of."""

UNFINISHED: Final = 0.2
"""Added to a pause, so that the pause is over when it is used."""

EVENT_LIMIT: Final = 1024
"""Bytes that Kubernetes allows the message of an event; a longer one is refused."""

log = logging.getLogger(__name__)


class Caller(Protocol):
    """What a step asks of the controller."""

    def job_seen(self, body: Mapping[str, Any]) -> None:
        """The object as the API server answered to a write."""

    def look_after(self, job: Job, seconds: float) -> None:
        """Look at this job again, by then at the latest."""

    def accepted(self, job: Job) -> None:
        """Airflow has just taken this job's run."""


class Steps:
    """One method for each step."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a part of the world that steps change
        self,
        caller: Caller,
        airflow: AirflowApi,
        cluster: ClusterApi,
        observer: Observer,
        links: status.Links,
        deletion_deadline: timedelta,
    ) -> None:
        self._caller = caller
        self._airflow = airflow
        self._cluster = cluster
        self._observer = observer
        self._links = links
        self._deadline = deletion_deadline
        self._by_step: dict[Step, Callable[[Job, Facts], Awaitable[None]]] = {
            Step.ADMIT: self._admit,
            Step.TRIGGER: self._trigger,
            Step.READ: self._read,
            Step.CHECK: self._check,
            Step.HOLD: self._hold,
            Step.STOP: self._stop,
            Step.RECORD: self._record,
            Step.RELEASE: self._release,
            Step.CLEAN: self._clean,
            Step.EXPIRE: self._expire,
        }

    async def take(self, step: Step, job: Job, facts: Facts) -> None:
        """Take this step. Raises AirflowError and ClusterError."""
        await self._by_step[step](job, facts)

    async def write(self, job: Job, facts: Facts) -> None:
        """Write the status, if it says anything new."""
        await self._write(job, status.derive(job, facts, self._links, _now()))

    # ---- deciding and asking

    async def _admit(self, job: Job, _facts: Facts) -> None:
        if job.finished and job.triggered:  # it may have been cleared in Airflow a moment ago
            self._observer.abandon(*self._run_of(job))
        dag_id = str(job.spec.get("dagId", self._links.dag_id))
        decision = Decision.of(job.uid, job.generation, job.spec, dag_id, _now())
        annotations = {ANNOTATION_DECISION: decision.dump()}
        if job.in_argo_cd:
            annotations[LINK] = f"Airflow|{self._links.dag_run(dag_id, decision.dag_run_id)}"
        await self._patch(job, [*_others(job), FINALIZER], annotations)

    async def _hold(self, job: Job, _facts: Facts) -> None:
        await self._patch(job, [*_others(job), FINALIZER], {})

    async def _trigger(self, job: Job, facts: Facts) -> None:
        dag_id, dag_run_id = self._run_of(job)
        note = f"{job.namespace}/{job.name} (AirflowContainerJob {job.uid})"
        try:
            facts.run = await self._airflow.trigger(dag_id, dag_run_id, conf.build(job), note)
        except RunExists:
            facts.run = await self._adopt(job, dag_id, dag_run_id)
        except InvalidJob as error:
            await self._write(job, status.invalid(job, str(error), _now()))
        except RunRefused as error:
            await self._write(job, status.invalid(job, f"Airflow refuses this spec: {error}", _now()))
        except AirflowUnreachable:
            facts.unanswered = True
            raise
        if facts.run is not None:
            self._caller.accepted(job)
            log.info("%s: DagRun %s is %s", job, dag_run_id, facts.run.state)
            facts.trouble, facts.unanswered = None, False
            self._follow(job, facts)
            await self._record(job, facts)  # one from before a crash may be over

    async def _adopt(self, job: Job, dag_id: str, dag_run_id: str) -> DagRun | None:
        """A DagRun of our id exists: made by us before a crash, or by somebody else."""
        run = await self._airflow.read(dag_id, dag_run_id)
        if run is None:  # deleted between the two requests: the next look triggers again
            self._caller.look_after(job, RETRY_SECONDS)
        elif run.owner_uid != job.uid:
            said = f"DagRun {dag_run_id} exists in Airflow, but its conf names another owner; delete it"
            await self._write(job, status.invalid(job, said, _now()))
            return None
        return run

    async def _read(self, job: Job, facts: Facts) -> None:
        self._follow(job, facts, unread=True)

    async def _check(self, job: Job, facts: Facts) -> None:
        facts.run = await self._airflow.read(*self._run_of(job)) or facts.run
        facts.doubted, facts.trouble = False, None
        self._caller.look_after(job, 0)

    def _follow(self, job: Job, facts: Facts, *, unread: bool = False) -> None:
        dag_id, dag_run_id = self._run_of(job)
        run_after = facts.run.run_after if facts.run is not None else None
        pod_ended = pods.newest_ended(job, facts)
        self._observer.follow(dag_run_id, job.uid, dag_id, run_after=run_after, pod_ended=pod_ended, unread=unread)

    # ---- ending

    async def _stop(self, job: Job, facts: Facts) -> None:
        if job.decision is not None and await self._stop_run(job, facts):
            return  # somebody cleared the run in Airflow: its pod is wanted
        for pod in pods.at_work(job, facts):
            await self._stop_older(job, pod)
            if not pod["metadata"].get("deletionTimestamp"):
                await self._cluster.delete_pod(pod)
        if not pods.at_work(job, facts):
            self._caller.look_after(job, 0)
        elif job.deleted_at is not None:
            self._caller.look_after(job, self.left(job.deleted_at) + UNFINISHED)

    async def _stop_run(self, job: Job, facts: Facts) -> bool:
        """End the decided run; returns whether it is one that is recorded as finished and goes on since."""
        dag_id, dag_run_id = self._run_of(job)
        try:
            run = await self._airflow.read(dag_id, dag_run_id)
        except DagDenied:
            if job.triggered:
                raise
            run = None  # it was never taken
        if run is not None and run.owner_uid != job.uid:
            run = None  # of our id, but somebody else's
        if run is None and facts.unanswered:  # it may be made later yet
            self._observer.abandon(dag_id, dag_run_id, may_come=True)
        facts.run = run or DagRun(dag_run_id, LOST)
        cleared = job.finished and job.triggered and not facts.run.over
        if cleared and job.deleted_at is None:
            self._caller.look_after(job, 0)
            return True
        if not facts.run.over:  # read just now: an end that came first counts
            facts.run = await self._airflow.stop(dag_id, dag_run_id) or DagRun(dag_run_id, LOST)
            log.info("%s: DagRun %s was asked to stop", job, dag_run_id)
        facts.trouble = None
        return False

    async def _stop_older(self, job: Job, pod: Mapping[str, Any]) -> None:
        """End an earlier run of this job that somebody cleared in Airflow: it would make its pod anew."""
        run_id = pods.run_of(pod) or ""
        dag_id = (pod["metadata"].get("annotations") or {}).get(contract.ANNOTATION_DAG_ID)
        decided = job.decision.dag_run_id if job.decision is not None else ""
        if run_id == decided or not dag_id or not run_id.startswith(f"acj-{job.uid}-"):
            return
        run = await self._airflow.read(dag_id, run_id)
        if run is not None and not run.over and run.owner_uid == job.uid:  # an annotation can be forged, this cannot
            await self._airflow.stop(dag_id, run_id)

    def left(self, deleted_at: datetime) -> float:
        """Seconds until a deleted resource is let go in any case."""
        return max(0.0, (self._deadline - (_now() - deleted_at)).total_seconds())

    async def _release(self, job: Job, facts: Facts) -> None:
        if job.decision is None:  # nothing was ever asked for
            await self._patch(job, _others(job), {})
            return
        dag_id, dag_run_id = self._run_of(job)
        if job.deleted_at is not None and (live(job, facts) or facts.unanswered):
            log.warning("%s: let go with its DagRun not known to be over; trying on to end it", job)
            self._observer.abandon(dag_id, dag_run_id, may_come=facts.unanswered)
        await self._patch(job, _others(job), {})
        if job.finished:
            self._observer.forget(dag_run_id)

    # ---- telling

    async def _record(self, job: Job, facts: Facts) -> None:
        run = facts.run
        if run is not None and job.finished and not job.renewed and not run.over:
            await self._begin_cleared(job, facts, run)
            return
        close = closing(job, facts, _now())
        stopped_by_us = close is not None and not succeeded_first(job, facts, close)
        if run is not None and run.over and run.state != LOST and not job.finished and not stopped_by_us:
            await self._complete(job, facts)
        await self.write(job, facts)

    async def _begin_cleared(self, job: Job, facts: Facts, run: DagRun) -> None:
        """The finished run goes on: what was known of its end is of no use."""
        facts.begin_anew()
        facts.run = run
        await self.write(job, facts)
        self._follow(job, facts)

    async def _complete(self, job: Job, facts: Facts) -> None:
        """Learn how the container ended: from its pod as we saw it, else from what the task left in Airflow."""
        dag_id, dag_run_id = self._run_of(job)
        if facts.outcome is not None or pods.explains_the_end(job, facts) or dag_id != self._links.dag_id:
            return
        left = await self._airflow.xcom(dag_id, dag_run_id, contract.TASK_ID, contract.XCOM_OUTCOME)
        if left is not None:
            facts.outcome = Outcome(left["attempts"], left.get("result"), left.get("resultProblem"))

    async def _write(self, job: Job, wanted: status.Status) -> None:
        if wanted == job.status:
            return
        self._caller.job_seen(await self._cluster.write_status(job, wanted))
        for event in events.between(job.status, wanted):
            await self._post(job, event)

    async def _post(self, job: Job, event: events.Event) -> None:
        now = _now()
        about = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "name": job.name, "namespace": job.namespace}
        body = {
            "metadata": {"generateName": f"{job.name[:200]}.", "namespace": job.namespace},
            "involvedObject": about | {"uid": job.uid, "resourceVersion": job.resource_version},
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "message": event.message.encode(errors="replace")[:EVENT_LIMIT].decode(errors="ignore"),
            "source": {"component": contract.MANAGER},
            "firstTimestamp": stamp(now),
            "lastTimestamp": stamp(now),
            "count": 1,
        }
        try:
            await self._cluster.create_event(body)
        except ClusterError as error:
            log.warning("%s: an event could not be posted: %s", job, error)

    # ---- what is left of a finished job

    async def _clean(self, job: Job, facts: Facts) -> None:
        for pod in upkeep.unwanted(job, facts):
            await self._cluster.delete_pod(pod)

    async def _expire(self, job: Job, facts: Facts) -> None:
        log.info("%s: its time is over", job)
        if not job.tracked:
            await self._cluster.delete_job(job)
            return
        for pod in pods.left_over(job, facts):
            await self._cluster.delete_pod(pod)
        await self._write(job, status.expired(job, _now()))

    async def _patch(self, job: Job, finalizers: list[str], annotations: Mapping[str, str]) -> None:
        self._caller.job_seen(await self._cluster.patch_metadata(job, finalizers, annotations))

    def _run_of(self, job: Job) -> tuple[str, str]:
        """The DAG and the DagRun of the decided run."""
        assert job.decision is not None  # noqa: S101 - for the type checker: `next_step` admits first
        return self._links.dag_of(job), job.decision.dag_run_id


def _others(job: Job) -> list[str]:
    return [one for one in job.finalizers if one != FINALIZER]


def _now() -> datetime:
    return datetime.now(UTC)
