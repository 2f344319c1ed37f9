"""Shows a job's container logs while it runs: all pods of its current run, each from its beginning to its end.

Used by `run` and `logs --follow`. Two watches lead: of the pods, as a pod may be gone a moment after its end, and of
the job, whose end ends all.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Final

from dynamic_pod import contract
from kubectl_acj import job as resource
from kubectl_acj import output
from kubectl_acj.cluster import Cluster
from kubectl_acj.errors import NoSuchJob, PluginError
from kubectl_acj.job import Json
from kubectl_acj.watching import Deadline, merged

LAST_LINES_SECONDS: Final = 10
"""How long the API server may be silent on a log once the job is over; a slow reader of ours is not counted."""

POLL_SECONDS: Final = 0.2
"""How often to look whether it does."""


def follow(cluster: Cluster, name: str, deadline: Deadline) -> tuple[Json, set[str]]:
    """Show the logs until the job is over; the job as it is then, and the names of the pods that were shown.

    What else happens is told on standard error. Raises NoSuchJob when it is deleted meanwhile, and TimedOut.
    """
    job = cluster.job(name)
    uid = job["metadata"]["uid"]
    pods: dict[str, Json] = {}
    readers: dict[str, _Reader] = {}
    told = ""
    sources = cluster.follow([job]), cluster.follow_pods(job)
    for change in merged(deadline, lambda: f"the end of {name}", *sources):
        if change.object["metadata"]["uid"] != uid:
            pods[change.object["metadata"]["name"]] = change.object
        elif change.deleted:
            raise NoSuchJob(f'"{name}" was deleted')
        else:
            job = change.object
            told = _tell(job, told)
        for pod_name in names_of(job, pods.values()):
            if pod_name not in readers and resource.started(pods[pod_name], contract.CONTAINER):
                readers[pod_name] = _Reader(cluster, job, pod_name)
                readers[pod_name].start()
        if resource.over(job):
            break
    return job, _last_lines(readers, deadline)


def _last_lines(readers: dict[str, _Reader], deadline: Deadline) -> set[str]:
    """Wait for the ends of the logs, the job being over; the names of the pods whose logs need not be shown again.

    They were shown to their end, or the deadline came while nobody took what was written: the job's end counts then.
    """
    over_at, shown = time.monotonic(), set()
    for pod_name, reader in readers.items():
        while reader.is_alive() and time.monotonic() - max(reader.silent_since, over_at) < LAST_LINES_SECONDS:
            if reader.silent_since == math.inf and deadline.over():
                output.tell(f"the log of pod {pod_name} breaks off: nobody reads standard output")
                shown.add(pod_name)
                break
            reader.join(POLL_SECONDS)
        if reader.whole:
            shown.add(pod_name)
    return shown


def show(cluster: Cluster, job: Json, pod_name: str, *, follow: bool) -> None:
    """Write a pod's log to standard output, as it is. Raises PluginError."""
    for piece in _pieces(cluster, job, pod_name, follow=follow):
        output.raw(piece)


def names_of(job: Json, pods: Iterable[Json]) -> list[str]:
    """Those of the pods that belong to the job's current run, oldest first."""
    run = resource.status(job).get("dagRunId")
    found = [pod["metadata"] for pod in pods]
    ours = [meta for meta in found if run and meta.get("annotations", {}).get(contract.ANNOTATION_DAG_RUN_ID) == run]
    return [meta["name"] for meta in sorted(ours, key=lambda meta: (meta["creationTimestamp"], meta["name"]))]


class _Reader(threading.Thread):
    """Shows one pod's log until its end."""

    def __init__(self, cluster: Cluster, job: Json, pod_name: str) -> None:
        super().__init__(daemon=True)
        self.whole = False
        """Whether the log was shown to its end."""
        self.silent_since = time.monotonic()
        """Since when the API server is waited for, on the monotonic clock; infinite while a piece is being written."""
        self._pieces = _pieces(cluster, job, pod_name, follow=True)
        self._pod_name = pod_name

    def run(self) -> None:
        try:
            for piece in self._pieces:
                self.silent_since = math.inf
                output.raw(piece)
                self.silent_since = time.monotonic()
            self.whole = True
        except PluginError as error:
            output.tell(f"the log of pod {self._pod_name} breaks off: {error.message}")


def _tell(job: Json, told: str) -> str:
    """Say on standard error how the job gets on, if that has changed; what was said last."""
    said = resource.state(job)
    if said != told and not resource.over(job):
        message = resource.status(job).get("message", "")
        output.tell(f"{job['metadata']['name']}: {said}" + (f" ({message})" if message else ""))
    return said


def _pieces(cluster: Cluster, job: Json, pod_name: str, *, follow: bool) -> Iterator[bytes]:
    """A pod's log as it is to be written."""
    pieces = cluster.log(pod_name, follow=follow)
    if "dagId" in job["spec"]:  # whose pods may run side by side
        return (f"[{pod_name}] ".encode() + line for line in _lines(pieces))
    return pieces


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream into lines, each with its end."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest + b"\n"
