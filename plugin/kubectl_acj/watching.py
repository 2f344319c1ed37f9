"""Waits for the first of several things to happen, until a deadline.

Each source is read in a thread of its own, and all come out of one place. The threads are daemons: nothing waits for
a watch that says nothing any more.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
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

    def check(self, waited_for: str) -> None:
        """Raise TimedOut when the moment is over."""
        if self._end is not None and time.monotonic() >= self._end:
            raise TimedOut(f"timed out waiting for {waited_for}")


def merged(deadline: Deadline, waited_for: str, *sources: Iterable[Change]) -> Iterator[Change]:
    """Give the changes of all sources as they come. Raises TimedOut, and what a source raises."""
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
            deadline.check(waited_for)
            continue
        if isinstance(change, Exception):
            raise change
        yield change
        deadline.check(waited_for)


def wait(cluster: Cluster, name: str, goal: Callable[[Json], bool], deadline: Deadline, waited_for: str) -> Json:
    """Wait until a job has come where `goal` says, or to its end; the job as it is then.

    Raises NoSuchJob, also when it is deleted meanwhile, and TimedOut.
    """
    for change in merged(deadline, waited_for, cluster.follow_job(name)):
        if change.deleted:
            raise NoSuchJob(f'"{name}" was deleted')
        if goal(change.object) or resource.over(change.object):
            return change.object
    raise AssertionError("a watch has no end")
