"""The story of a job in time order, from what the resource, its pods, Kubernetes' events and Airflow tell: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from kubectl_acj.job import Json
from kubectl_acj.output import moment


class Entry(NamedTuple):
    """One thing that happened."""

    time: datetime
    source: str
    """Who tells it: Job, Condition, DagRun, Attempt, Pod or Event."""
    text: str


def tell(job: Json, pods: Iterable[Json], events: Iterable[Json], run: Json) -> list[Entry]:
    """Put in order what is known; `events` are its namespace's, `run` is its DagRun as Airflow has it.

    Of what happened in the same second, the cause comes first where it is known: the order of the sources.
    """
    pods = list(pods)
    sources = (_resource(job), _conditions(job), _dag_run(run), _pods(pods), _attempts(job), _events(job, pods, events))
    entries = [entry for source in sources for entry in source]
    return sorted(entries, key=lambda entry: entry.time.replace(microsecond=0))


def _resource(job: Json) -> Iterator[Entry]:
    yield Entry(moment(job["metadata"]["creationTimestamp"]), "Job", "created")
    if deleted := job["metadata"].get("deletionTimestamp"):
        yield Entry(moment(deleted), "Job", "its deletion was asked for")
    for one in (job.get("status") or {}).get("runs", [])[:-1]:
        if "completionTime" in one:
            text = f"run {one['number']} ended: {one['phase']}, {one.get('reason', '')}"
            yield Entry(moment(one["completionTime"]), "Job", text)


def _conditions(job: Json) -> Iterator[Entry]:
    for one in (job.get("status") or {}).get("conditions", ()):
        text = f"{one['type']} is {one['status']}: {one['reason']}"
        yield Entry(moment(one["lastTransitionTime"]), "Condition", _with(text, one.get("message")))


def _dag_run(run: Json) -> Iterator[Entry]:
    for field, text in (("queued_at", "queued"), ("start_date", "started"), ("end_date", f"ended: {run.get('state')}")):
        if run.get(field):
            yield Entry(moment(run[field]), "DagRun", text)


def _pods(pods: Iterable[Json]) -> Iterator[Entry]:
    for pod in pods:
        name = pod["metadata"]["name"]
        yield Entry(moment(pod["metadata"]["creationTimestamp"]), "Pod", f"{name} created")
        for one in pod.get("status", {}).get("conditions", ()):
            if one["type"] == "PodScheduled" and one["status"] == "True":
                text = f"{name} scheduled on {pod['spec'].get('nodeName', 'a node')}"
                yield Entry(moment(one["lastTransitionTime"]), "Pod", text)


def _attempts(job: Json) -> Iterator[Entry]:
    for one in (job.get("status") or {}).get("attempts", ()):
        title = f"attempt {one['number']}, pod {one.get('podName', '')}"
        if "startedAt" in one:
            yield Entry(moment(one["startedAt"]), "Attempt", f"{title}: the container started")
        if "finishedAt" in one:
            code = f", exit code {one['exitCode']}" if "exitCode" in one else ""
            yield Entry(moment(one["finishedAt"]), "Attempt", f"{title}: it ended: {one.get('reason', '')}{code}")


def _events(job: Json, pods: Iterable[Json], events: Iterable[Json]) -> Iterator[Entry]:
    """Those about the job or one of its pods; the status knows pods that are gone."""
    attempts = (job.get("status") or {}).get("attempts", ())
    names = {one.get("podName") for one in attempts} | {pod["metadata"]["name"] for pod in pods}
    for event in events:
        about = event["involvedObject"]
        time = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
        if about.get("uid") == job["metadata"]["uid"] or (about["kind"] == "Pod" and about["name"] in names):
            often = f" ({event['count']} times)" if (event.get("count") or 1) > 1 else ""
            text = f"{event['type']} {event['reason']}{often} of {about['kind']}"
            yield Entry(moment(time), "Event", _with(text, event.get("message")))


def _with(text: str, message: str | None) -> str:
    return f"{text}: {message.strip()}" if message and message.strip() else text
