"""Waits for the first of several things to happen, until a deadline.

Each source is read in a thread of its own, and all come out of one place. The threads are daemons: nothing waits for
a watch that says nothing any more.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from kubectl_acj import job as resource
from kubectl_acj.cluster import Change, Cluster
from kubectl_acj.errors import NoSuchJob, TimedOut
from kubectl_acj.job import Json

TICK_SECONDS: Final = 0.2
"""How long a wait may last that an interrupt of the user cannot end."""


class Deadline:
    """A moment until which to wait; without seconds there is none."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def over(self) -> bool:
        """Whether the moment has come."""
        return self._end is not None and time.monotonic() >= self._end

    def check(self, waited_for: str) -> None:
        """Raise TimedOut when the moment has come."""
        if self.over():
            raise TimedOut(f"timed out waiting for {waited_for}")


def merged(deadline: Deadline, waited_for: Callable[[], str], *sources: Iterable[Change]) -> Iterator[Change]:
    """Give the changes of all sources as they come. Raises TimedOut, naming what is waited for, and what they raise."""
    found: queue.SimpleQueue[Change | Exception] = queue.SimpleQueue()

    def read(source: Iterable[Change]) -> None:
        try:
            for change in source:
                found.put(change)
        except Exception as error:  # noqa: BLE001 - raised below; an end unseen would be waited for
            found.put(error)

    for source in sources:
        threading.Thread(target=read, args=(source,), daemon=True).start()
    while True:
        try:
            change = found.get(timeout=TICK_SECONDS)
        except queue.Empty:
            deadline.check(waited_for())
            continue
        if isinstance(change, Exception):
            raise change
        yield change
        deadline.check(waited_for())


def wait(
    cluster: Cluster, names: Sequence[str], goal: Callable[[Json], bool], deadline: Deadline, meaning: str
) -> list[Json]:
    """Wait until each of the jobs has come where `goal` says, or to its end; the jobs as they were then, in this order.

    What becomes of a job afterwards does not count: its ttlSecondsAfterFinished may delete it while others run on.
    `meaning` says the goal in words. Raises NoSuchJob, also when a job is deleted before it comes there, and TimedOut.
    """
    jobs = {name: cluster.job(name) for name in names}
    waiting = {name: job for name, job in jobs.items() if not (goal(job) or resource.over(job))}

    def waited_for() -> str:
        return f"{', '.join(waiting)} to be {meaning}"

    changes: Iterable[Change] = merged(deadline, waited_for, cluster.follow([*waiting.values()])) if waiting else ()
    for job, deleted in changes:
        name = job["metadata"]["name"]
        if name in waiting and deleted:
            raise NoSuchJob(f'"{name}" was deleted')
        if name in waiting and (goal(job) or resource.over(job)):
            jobs[name] = job
            del waiting[name]
        if not waiting:
            break
    return [jobs[name] for name in names]
