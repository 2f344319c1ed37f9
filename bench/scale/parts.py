"""What is measured, part by part, each on a stage of its own: a namespace.

Called by __main__. A part ends with an error rather than with figures when a watch broke; jobs that were not over in
time, or failed, are counted and shown.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any, Final

from bench.alone.api_server import ApiServer
from bench.alone.resources import MERGE, every
from bench.measure import settle
from bench.processes import Usage, usage
from bench.scale import airflow
from bench.scale.journal import Journal, Times
from bench.scale.latencies import summary
from bench.scale.load import Load
from dev.errors import CommandFailed
from dev.progress import step
from dev.run import kubectl
from tests.support.cluster import Cluster
from tests.support.operator_process import OPERATOR, away

PATIENCE: Final = 420.0
"""How long a part waits for its jobs to be over."""

SETTLING: Final = 20.0
"""How long a steady load runs at least before it is measured."""

_KNOWN: Final = re.compile(r"All (\d+) resources are known after ([\d.]+) s")
"""What a started operator logs."""

_OPERATOR: Final = "--selector=app.kubernetes.io/component=operator"

Figures = dict[str, Any]


class Sampler:
    """The parts' memory at its highest, and their CPU time, over a block."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was seen until now."""
        self._first = usage()
        self._memory: dict[str, float] = {}

    async def run(self) -> None:
        """Look every few seconds, until cancelled; in a thread, since the event loop stamps what the watches see."""
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(10)

    def figures(self) -> Figures:
        """CPU seconds and MB of each part."""
        return {"cpu_seconds": self._look().since(self._first), "memory_mb": dict(sorted(self._memory.items()))}

    def _look(self) -> Usage:
        now = usage()
        for part, megabytes in now.memory.items():
            self._memory[part] = max(megabytes, self._memory.get(part, 0.0))
        return now


class Stage:
    """A namespace, what is applied to it and what is seen in it."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.journal = Journal(api, namespace)
        self.load = Load(api, self.journal)
        self.sampler = Sampler()
        self.began = time.time()

    async def until(self, title: str, done: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait for it, or for the time to be up."""
        deadline = time.monotonic() + seconds
        with step(title) as note:
            while not done() and time.monotonic() < deadline:
                self.journal.check()
                jobs = self.journal.jobs.values()
                note(f"{sum(job.over is not None for job in jobs)} of {len(jobs)} jobs are over")
                await asyncio.sleep(0.2)

    def figures(self, jobs: Sequence[Times], ended: Sequence[Times]) -> Figures:
        """Figures of the jobs that were asked for, and of those that ended."""
        self.journal.check()
        if not ended:
            raise RuntimeError("no job ended while it was measured")
        return {**summary(jobs, ended), **self.sampler.figures()}


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """A namespace for one part; what it leaves is let go without the operator, which would stop every run by itself."""
    namespace = f"scale-{uuid.uuid4().hex[:6]}"
    try:
        kubectl("create", "namespace", namespace)
        async with ApiServer(Cluster.find()) as api:
            made = Stage(api, namespace)
            sampling = asyncio.create_task(made.sampler.run())
            async with made.journal:
                yield made
            sampling.cancel()
    finally:
        await _clear(namespace)
    await asyncio.to_thread(settle)


async def _clear(namespace: str) -> None:
    """Remove what a part leaves.

    Jobs under way are ended without the operator, which would stop them one by one.
    """
    path = f"/apis/acj.dev/v1alpha1/namespaces/{namespace}/airflowcontainerjobs"
    cluster = Cluster.find()
    async with ApiServer(cluster) as api:
        left = [one["metadata"] for one in (await api.send("GET", path))["items"] if one["metadata"].get("finalizers")]

        async def release(name: str) -> None:
            await api.send("PATCH", f"{path}/{name}", {"metadata": {"finalizers": None}}, kind=MERGE)

        with away(cluster, OPERATOR) if left else nullcontext():
            await every([one["name"] for one in left], release)
            await api.empty(path)
            if left:
                airflow.end_all_runs()
    with step("what it left to be gone"):
        kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=600s")


async def burst(on: Stage, count: int, duration: float) -> Figures:
    """All at once."""
    jobs = await on.load.burst(*[duration] * count)
    applied = time.monotonic()
    await on.until(f"{count} jobs at once", lambda: all(job.over for job in jobs))
    begun = min(job.applied for job in jobs)
    figures = on.figures(jobs, jobs)
    over = [job.over for job in jobs if job.over]
    seconds = max(over, default=time.monotonic()) - begun
    return {
        "jobs": count,
        "pod_seconds": duration,
        "applying_took_seconds": round(applied - begun, 1),
        "all_over_after_seconds": round(seconds, 1),
        "jobs_per_second": round(len(over) / seconds, 1),
        **figures,
        "airflow": airflow.lags(on.began),
    }


async def steady(on: Stage, rate: float, in_flight: int, seconds: float) -> Figures:
    """So many per second while so many are under way: each takes as long as it takes for as many to come after it."""
    duration = in_flight / rate
    with step(f"{in_flight} under way"):
        await on.load.steady(rate, max(duration, SETTLING), duration)
    on.sampler.begin()
    since = time.monotonic()
    jobs = await on.load.steady(rate, seconds, duration)
    until = time.monotonic()
    await on.until("the last to be accepted", lambda: all(job.accepted for job in jobs), 60)
    everything = on.journal.jobs.values()
    ended = [job for job in everything if job.pod_ended and since <= job.pod_ended <= until]
    await on.until("the ends to be known", lambda: all(job.over for job in ended), 60)
    figures = on.figures(jobs, ended)
    return {
        "rate": rate,
        "in_flight": in_flight,
        "jobs": len(jobs),
        "ended": len(ended),
        "jobs_per_second": round(len(ended) / (until - since), 1),
        "seconds": round(time.monotonic() - since, 1),
        **figures,
    }


async def live(on: Stage, count: int, rate: float, seconds: float) -> Figures:
    """So many live resources, most of them waiting their turn, and so many more per second; then the operator anew.

    Pods run for half a minute. Whether as many end per second as are added is for Airflow to show.
    """
    await on.load.burst(*[30.0] * count)
    await on.until("the first to end", lambda: any(job.over for job in on.journal.jobs.values()))
    on.sampler.begin()
    since = time.monotonic()
    before = _live(on.journal)
    added = await on.load.steady(rate, seconds, 30.0)
    until = time.monotonic()
    ended = [job for job in on.journal.jobs.values() if job.pod_ended and since <= job.pod_ended <= until]
    over = [job for job in on.journal.jobs.values() if job.over and since <= job.over <= until]
    await on.until("the ends to be known", lambda: all(job.over for job in ended), 60)
    figures = on.figures([], ended)
    return {
        "live": count,
        "live_before": before,
        "live_afterwards": _live(on.journal),
        "added_per_second": round(len(added) / (until - since), 1),
        "jobs_per_second": round(len(over) / (until - since), 1),
        "seconds": round(time.monotonic() - since, 1),
        **figures,
        "operator_anew": await _restart(on),
    }


async def _restart(on: Stage) -> Figures:
    """Kill the operator, and see when the next one knows all there is, and has written what happened meanwhile."""
    killed = time.monotonic()
    kubectl("delete", "pod", "--namespace=airflow-container-job", _OPERATOR, "--grace-period=0", "--force")
    told: list[re.Match[str]] = []
    while not told and time.monotonic() < killed + PATIENCE:
        await asyncio.sleep(0.5)
        with suppress(CommandFailed):  # no container yet
            said = kubectl("logs", "--namespace=airflow-container-job", "deployment/operator")
            told = list(_KNOWN.finditer(said))
    known = time.monotonic()
    missed = [job for job in on.journal.jobs.values() if job.pod_ended and killed <= job.pod_ended < known]
    await on.until("all that ended to be told", lambda: all(job.over for job in missed), 120)
    return {
        "live_resources": _live(on.journal),
        "known_resources": int(told[0][1]) if told else None,
        "its_own_word_seconds": float(told[0][2]) if told else None,
        "kill_to_known": round(known - killed, 1),
        "pods_ended_meanwhile": len(missed),
        "kill_to_their_ends_told": round(time.monotonic() - killed, 1),
        "not_told": sum(job.over is None for job in missed),
    }


def _live(journal: Journal) -> int:
    return sum(job.over is None for job in journal.jobs.values())
