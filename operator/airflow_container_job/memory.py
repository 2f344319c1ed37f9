"""All that is known about every job, from what others report: the watches, the observer, and answers to writes.

Each report is taken into what is known, and tells the controller which job deserves a look. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from airflow_container_job import pods, reasons, status
from airflow_container_job.closing import live
from airflow_container_job.decision import parse_time
from airflow_container_job.document import Document
from airflow_container_job.errors import InvalidJob
from airflow_container_job.facts import LOST, DagRun, Facts, Trouble
from airflow_container_job.job import Job, parse
from airflow_container_job.observer import Observer
from airflow_container_job.rollcall import RollCall
from dynamic_pod import contract, outcome

FIRST: Final = 0
"""Rank of a look at what goes on already."""

NEXT: Final = 1
"""Rank of a look at a job that has its turn."""

STRANGERS: Final = 10_000
"""Runs that are remembered though their resource is not known: after a start Airflow may be faster than the list."""

GRAVES: Final = 1_000
"""Resources that are remembered as gone: the answer to a write may come after the last event, and revive nothing."""

_METADATA: Final = frozenset(
    {
        *("name", "namespace", "uid", "labels", "annotations"),
        *("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
    }
)
_CONTAINERS: Final = frozenset({"initContainerStatuses", "containerStatuses"})
_STATUS: Final = _CONTAINERS | {"phase", "reason", "message", "conditions"}
_CONDITIONS: Final = frozenset({"PodScheduled", "DisruptionTarget"})
"""What is read of a pod."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Known:
    """One job and all that is known about it."""

    job: Job | None = None
    facts: Facts = field(default_factory=Facts)

    @property
    def place(self) -> tuple[int, str]:
        """Where it waits for a look, rank and lane: ends before turns, these before new ones; those by priority."""
        if self.job is None or self.job.triggered or self.job.deleted_at is not None:
            return FIRST, ""
        if self.facts.turn:
            return NEXT, ""
        return -int(self.job.spec.get("priority", 0)), self.job.namespace


class Listener(Protocol):
    """Who looks at jobs."""

    def stirred(self, uid: str, known: Known) -> None:
        """Something new is known about this job."""

    def left(self, uid: str) -> None:
        """The resource is no longer there."""


class Memory:
    """Every job by its uid, also one of which only a pod or an event has been seen yet."""

    def __init__(self, observer: Observer, links: status.Links, listener: Listener, watched: int) -> None:
        """`watched`: of how many namespaces the pods must be known before anything may be decided."""
        self._observer = observer
        self._links = links
        self._listener = listener
        self._known: dict[str, Known] = {}
        self._resources = 0
        self._gone: dict[str, None] = {}
        self.roll_call = RollCall()
        self._grown = asyncio.Event()
        self._strangers: dict[str, DagRun] = {}
        self._blocked: Mapping[str, Trouble] = {}
        self._watched = watched
        self._listed: set[str | None] = set()
        self.pods_known = asyncio.Event()

    @property
    def resources(self) -> int:
        """How many resources there are, as far as they have been seen."""
        return self._resources

    async def until_known(self, resources: int) -> None:
        """Wait until so many resources have been seen."""
        while self._resources < resources:
            self._grown.clear()
            await self._grown.wait()

    def jobs(self) -> list[Job]:
        """All resources, as they were seen last."""
        return [known.job for known in self._known.values() if known.job is not None]

    def find(self, uid: str) -> Known | None:
        """What is known about this job."""
        return self._known.get(uid)

    def blocked(self, dag_id: str) -> Trouble | None:
        """Why runs of this DAG are not started, if anything is known."""
        return self._blocked.get(dag_id)

    def job_seen(self, body: Mapping[str, Any]) -> None:
        """A version of a resource, from the watch or as the answer to a write."""
        if self.has(body):  # as the watch's echo of our own write
            return
        if body["metadata"].get("deletionTimestamp") and not body["metadata"].get("finalizers"):
            self.job_gone(body["metadata"]["uid"])  # the answer to our letting it go may come after its last event
            return
        try:
            job = parse(body)
        except InvalidJob as error:
            log.warning("A resource cannot be read: %s", error, extra={"k8s_ref": body["metadata"]})
            return
        known = self._known.setdefault(job.uid, Known())
        if known.job is not None and known.job.decision != job.decision:
            known.facts.begin_anew()
        if known.job is None:
            self._resources += 1
            self._grown.set()
        known.job = job
        self._tidy(job.uid, known)
        self.roll_call.seen(job)
        if (run := self._strangers.pop(job.uid, None)) is not None:
            self.run_seen(job.uid, run)
        self._listener.stirred(job.uid, known)

    def has(self, body: Mapping[str, Any]) -> bool:
        """Whether this version of a resource, or a newer one, is known already, or that it is gone."""
        meta = body["metadata"]
        if meta["uid"] in self._gone:
            return True
        known = self._known.get(meta["uid"])
        if known is None or known.job is None:
            return False
        return int(known.job.resource_version) >= int(meta["resourceVersion"])

    def job_gone(self, uid: str) -> None:
        """A resource is no longer there."""
        self._gone[uid] = None
        if len(self._gone) > GRAVES:
            del self._gone[next(iter(self._gone))]
        known = self._known.pop(uid, None)
        if known is None or known.job is None:
            return
        self._resources -= 1
        self.roll_call.gone(uid)
        if known.job.decision is not None:
            dag_run_id = known.job.decision.dag_run_id
            if live(known.job, known.facts):  # nobody held it: the finalizer was taken off by hand
                asking = not known.job.triggered  # a request for it may be under way
                self._observer.abandon(self._links.dag_of(known.job), dag_run_id, may_come=asking)
            self._observer.forget(dag_run_id)
        self._listener.left(uid)

    def pod_seen(self, pod: Mapping[str, Any], gone: bool) -> None:
        """A version of one of our pods; `gone` when it is the last one."""
        uid = owner_of(pod)
        if uid is None:
            return
        known = self._known.setdefault(uid, Known())
        pod_uid = pod["metadata"]["uid"]
        before, now = known.facts.pods.get(pod_uid), Document(slim(pod))
        over = before is not None and outcome.over(before)  # deleting it moves the time by which its end was judged
        if not gone and pod_uid not in known.facts.gone and (over or now == before):
            return  # nothing that anybody reads has changed
        if before is not None and not over:
            self.roll_call.pod_turned(uid, ended=gone or outcome.over(pod))
        if not over:
            known.facts.pods[pod_uid] = now
        if gone:
            known.facts.gone.add(pod_uid)
        else:
            known.facts.gone.discard(pod_uid)  # a list from the server's cache may be behind
        self._tell_observer(pod, known, gone=gone)
        self._tidy(uid, known)
        self._listener.stirred(uid, known)

    def _tell_observer(self, pod: Mapping[str, Any], known: Known, *, gone: bool) -> None:
        if (run := pods.run_of(pod)) is not None:
            ended: bool | None = gone or outcome.over(pod)
            if known.job is not None and known.job.decision is not None and known.job.decision.dag_run_id == run:
                ended = pods.newest_ended(known.job, known.facts)  # of several pods the newest tells
            if ended is not None:
                self._observer.pod_moved(run, ended=ended)

    def _tidy(self, uid: str, known: Known) -> None:
        """Keep nothing of pods that are gone where nobody asks for them any more."""
        if known.job is None:
            if known.facts.gone >= known.facts.pods.keys():
                self._known.pop(uid, None)  # the last of a resource that is gone, too
        elif known.job.finished and not known.job.held:
            known.facts.forget_gone()

    def pods_listed(self, namespace: str | None, uids: set[str]) -> None:
        """These are all pods there are in this namespace (None: everywhere): others we knew are gone."""
        for uid, known in list(self._known.items()):
            missing = {
                pod_uid
                for pod_uid, pod in known.facts.pods.items()
                if namespace in (None, pod["metadata"]["namespace"]) and pod_uid not in uids
            }
            if missing - known.facts.gone:
                known.facts.gone |= missing
                self._tidy(uid, known)
                self._listener.stirred(uid, known)
        self._listed.add(namespace)
        if len(self._listed) >= self._watched:
            self.pods_known.set()

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
            self._listener.stirred(uid, known)

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
        elif known.facts.run is not None and known.facts.run.over and known.facts.run.state != LOST and not run.over:
            known.facts.doubted = True  # asked for earlier, or cleared since: the end is recorded first, then checked
        else:
            known.facts.run = run
            if not run.over:  # a request without an answer was carried out, as the list of live runs shows
                pod_ended = pods.newest_ended(known.job, known.facts)
                self._observer.follow(run.dag_run_id, uid, self._links.dag_of(known.job), pod_ended=pod_ended)
        self._listener.stirred(uid, known)

    def dags_seen(self, troubles: Mapping[str, Trouble]) -> None:
        """Why runs of these DAGs are not started; nothing is known against all others."""
        if troubles == self._blocked:
            return
        self._blocked = dict(troubles)
        for uid, known in self._known.items():
            if known.job is not None and known.job.triggered and not known.job.finished:
                self._listener.stirred(uid, known)


def owner_of(pod: Mapping[str, Any]) -> str | None:
    """The uid of the job this pod belongs to: label and owner reference must agree, a copied label is not enough."""
    uid = (pod["metadata"].get("labels") or {}).get(contract.LABEL_JOB_UID)
    owners = {reference["uid"] for reference in pod["metadata"].get("ownerReferences") or ()}
    return uid if uid in owners else None


def slim(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod without what nobody here reads: most of its spec, who manages which field, what ran where exactly."""
    gates = (pod.get("spec") or {}).get("schedulingGates") or ()
    status = {key: value for key, value in (pod.get("status") or {}).items() if key in _STATUS}
    if "conditions" in status:
        status["conditions"] = [one for one in status["conditions"] or () if one["type"] in _CONDITIONS]
    for key in _CONTAINERS & status.keys():
        status[key] = [{name: one[name] for name in ("name", "state") if name in one} for one in status[key] or ()]
    meta = {key: value for key, value in pod["metadata"].items() if key in _METADATA}
    return {"metadata": meta, "spec": {"schedulingGates": gates}, "status": status}
