"""Gathers what is known about every job, and lets a few workers look at one job at a time.

`handlers` and the watches report what they see, the observer reports runs; each report marks one job for a look.
`reconcile` decides what to do, `steps` does it. Errors say by class what to do: wait for Airflow together, show the
reason, or look again when the newer version of the object arrives.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airflow_container_job import pods, reasons, status
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.closing import closing, live
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.decision import parse_time
from airflow_container_job.errors import AirflowError, ClusterError, Conflict, Gone, InvalidJob
from airflow_container_job.facts import DagRun, Facts, Trouble
from airflow_container_job.job import Job, parse
from airflow_container_job.observer import Observer
from airflow_container_job.reconcile import Step, next_look, next_step
from airflow_container_job.steps import RETRY_SECONDS, UNFINISHED, Steps
from airflow_container_job.workqueue import WorkQueue
from dynamic_pod import contract, outcome

WORKERS: Final = 16
"""Jobs looked at at once; requests to Airflow are bounded on their own."""

FIRST: Final = -(2**31) - 1
"""Rank of a look at what goes on already: before every start, whatever its priority."""

STRANGERS: Final = 10_000
"""Runs that are remembered though their resource is not known: after a start Airflow may be faster than the list."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Known:
    """One job and all that is known about it."""

    job: Job | None = None
    facts: Facts = field(default_factory=Facts)

    @property
    def rank(self) -> int:
        """Where it waits for a look: ends before starts, then by `spec.priority`."""
        if self.job is None or self.job.triggered or self.job.deleted_at is not None:
            return FIRST
        return -int(self.job.spec.get("priority", 0))


class Controller:
    """All jobs, and the workers that look at them."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it hands on to the steps
        self,
        airflow: AirflowApi,
        cluster: ClusterApi,
        observer: Observer,
        links: status.Links,
        deletion_deadline: timedelta,
        watched: int,
    ) -> None:
        """`watched`: how many lists of pods must have come before anything is decided."""
        self._airflow = airflow
        self._observer = observer
        self._links = links
        self._deadline = deletion_deadline
        self._known: dict[str, Known] = {}
        self._queue = WorkQueue()
        self._strangers: dict[str, DagRun] = {}
        self._blocked: Mapping[str, Trouble] = {}
        self._unlisted = watched
        self._pods_known = asyncio.Event()
        self._steps = Steps(self, airflow, cluster, observer, links, deletion_deadline)

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
        if known.job is not None and known.job.decision != job.decision:
            known.facts.begin_anew()
        known.job = job
        if (run := self._strangers.pop(job.uid, None)) is not None:
            self.run_seen(job.uid, run)
        self._queue.add(job.uid, known.rank)

    def job_gone(self, uid: str) -> None:
        """A resource is no longer there."""
        if (known := self._known.pop(uid, None)) and known.job and known.job.decision:
            dag_run_id = known.job.decision.dag_run_id
            if live(known.job, known.facts):  # nobody held it: the finalizer was taken off by hand
                self._observer.abandon(self._links.dag_of(known.job), dag_run_id)
            self._observer.forget(dag_run_id)

    def pod_seen(self, pod: Mapping[str, Any], gone: bool) -> None:
        """A version of one of our pods; `gone` when it is the last one."""
        uid = owner_of(pod)
        if uid is None:
            return
        known = self._known.setdefault(uid, Known())
        before = known.facts.pods.get(pod["metadata"]["uid"])
        if before is None or not outcome.over(before):  # deleting it moves the time by which its end was judged
            known.facts.pods[pod["metadata"]["uid"]] = slim(pod)
        if gone:
            known.facts.gone.add(pod["metadata"]["uid"])
        else:
            known.facts.gone.discard(pod["metadata"]["uid"])  # a list from the server's cache may be behind
        if known.job is None and known.facts.gone >= known.facts.pods.keys():
            del self._known[uid]  # the last of a resource that is gone, too
        if (run := pods.run_of(pod)) is not None:
            self._observer.pod_moved(run, ended=gone or outcome.over(pod))
        self._queue.add(uid, known.rank)

    def pods_listed(self, namespace: str | None, uids: set[str]) -> None:
        """These are all pods there are in this namespace (None: everywhere): others we knew are gone."""
        for uid, known in self._known.items():
            for pod_uid, pod in known.facts.pods.items():
                here = namespace in (None, pod["metadata"]["namespace"])
                if here and pod_uid not in uids and pod_uid not in known.facts.gone:
                    known.facts.gone.add(pod_uid)
                    self._queue.add(uid, known.rank)
        self._unlisted -= 1
        if self._unlisted <= 0:
            self._pods_known.set()

    def refusal_seen(self, event: Mapping[str, Any], gone: bool) -> None:
        """An event that says why the API server refuses a job's pod."""
        uid = event["involvedObject"].get("uid", "")
        if gone:
            known = self._known.get(uid)
            if known is not None and known.job is None and not known.facts.pods:
                del self._known[uid]
            return
        known = self._known.setdefault(uid, Known())  # its resource may be listed later than the event
        message = event.get("message", "")
        reason = reasons.QUOTA_EXCEEDED if "exceeded quota" in message else reasons.FAILED_CREATE
        at = event.get("lastTimestamp") or event.get("eventTime")
        refused, before = Trouble(reason, message, parse_time(at)), known.facts.refused
        if before is not None and before.at and refused.at and refused.at < before.at:
            return
        known.facts.refused = refused
        if known.job is not None:
            self._queue.add(known.job.uid, known.rank)

    def run_seen(self, uid: str, run: DagRun) -> None:
        """Airflow's word on a run of this job."""
        known = self._known.get(uid)
        if known is None or known.job is None:
            self._strangers[uid] = run
            if len(self._strangers) > STRANGERS:
                del self._strangers[next(iter(self._strangers))]
            return
        if known.job.decision is None or known.job.decision.dag_run_id != run.dag_run_id:
            return
        if known.job.finished:  # what was recorded stands, until Airflow has been asked again
            known.facts.doubted = known.job.recorded.get("dagRunState") != run.state and known.job.triggered
        else:
            known.facts.run = run
            if not run.over:  # a request without an answer was carried out, as the list of live runs shows
                self._observer.follow(run.dag_run_id, uid, self._links.dag_of(known.job))
        self._queue.add(uid, known.rank)

    def dags_seen(self, troubles: Mapping[str, Trouble]) -> None:
        """Why runs of these DAGs are not started; nothing is known against all others."""
        if troubles == self._blocked:
            return
        self._blocked = dict(troubles)
        for uid, known in self._known.items():
            if known.job is not None and known.job.triggered and not known.job.finished:
                self._queue.add(uid, known.rank)

    def look_after(self, job: Job, seconds: float) -> None:
        """Look at this job again, by then at the latest."""
        known = self._known.get(job.uid)
        if known is not None and seconds > 0:
            self._queue.add_after(job.uid, seconds, known.rank)
        elif known is not None:
            self._queue.add(job.uid, known.rank)

    # ---- workers

    async def run(self) -> None:
        """Look at jobs, for ever."""
        await self._pods_known.wait()  # a container that runs must not be taken for one that never started
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
        facts.blocked = self._blocked.get(self._links.dag_of(job))
        step = next_step(job, facts, _now(), self._deadline)
        try:
            if step is not Step.NOTHING:
                await self._step(step, job, facts)
        except Gone:
            self.job_gone(uid)
        except Conflict:
            self.look_after(job, RETRY_SECONDS)  # the watch brings the newer version, most likely sooner
        except ClusterError as error:
            log.warning("%s: %s", job, error)
            self.look_after(job, RETRY_SECONDS)
        if (due := next_look(job, facts)) is not None and (seconds := (due - _now()).total_seconds()) > 0:
            self.look_after(job, seconds + UNFINISHED)

    async def _step(self, step: Step, job: Job, facts: Facts) -> None:
        try:
            await self._steps.take(step, job, facts)
        except AirflowError as error:
            await self._show_trouble(job, facts, error)

    async def _show_trouble(self, job: Job, facts: Facts, error: AirflowError) -> None:
        """Say once why the job does not get on, and look again when that may have changed."""
        trouble = Trouble(error.reason, str(error))
        if facts.trouble is None or facts.trouble.reason != trouble.reason:
            log.warning("%s: %s: %s", job, trouble.reason, trouble.message)
            facts.trouble = trouble  # the first message stays: equal trouble must not write again
        if facts.run is None or job.deleted_at is not None or closing(job, facts, _now()) is not None:
            await self._steps.write(job, facts)
        pause = self._airflow.gate.pause or RETRY_SECONDS
        if job.deleted_at is not None:
            pause = min(pause, self._steps.left(job.deleted_at))
        self.look_after(job, pause + UNFINISHED)


def owner_of(pod: Mapping[str, Any]) -> str | None:
    """The uid of the job this pod belongs to: label and owner reference must agree, a copied label is not enough."""
    uid = (pod["metadata"].get("labels") or {}).get(contract.LABEL_JOB_UID)
    owners = {reference["uid"] for reference in pod["metadata"].get("ownerReferences") or ()}
    return uid if uid in owners else None


def slim(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod without what nobody here reads: most of its spec, and the record of who manages which field."""
    meta = {key: value for key, value in pod["metadata"].items() if key != "managedFields"}
    gates = (pod.get("spec") or {}).get("schedulingGates") or ()
    return {"metadata": meta, "spec": {"schedulingGates": gates}, "status": pod.get("status") or {}}


def _now() -> datetime:
    return datetime.now(UTC)
