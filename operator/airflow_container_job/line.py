"""The queue in Kubernetes: which job may ask Airflow for its run next, so that only so many are in flight. Pure.

Used by the controller. A turn goes to the namespace with the fewest runs in flight, of those served longest ago; in it
to the highest `spec.priority`, then to the oldest resource. A namespace whose last turn came to nothing is served as if
it had as many in flight as the others: refused runs never count, and theirs would be every next turn. Only a few jobs
have their turn and no run yet, so that the order holds for a crowd that arrives at once, too, and a single job of
another namespace is not behind all of it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

from airflow_container_job import reasons
from airflow_container_job.facts import Trouble
from airflow_container_job.job import Job

STARTING: Final = 16
"""Jobs that have their turn, and whose run Airflow has not accepted yet. Each may keep one of the workers waiting."""

RENEWED_AT: Final = 0.25
"""A job is told its place again when it has come down to this part of it: few writes, however long the queue."""


class Key(NamedTuple):
    """Order within a namespace; the smallest comes first."""

    rank: int
    created: str
    uid: str


class Line:
    """Who is in flight, and who waits for that, in order."""

    def __init__(self, limit: int, namespace_limit: int | None) -> None:
        """`limit`: runs in flight in all; `namespace_limit`: of one namespace, None for no limit of its own."""
        self._limit = limit
        self._namespace_limit = limit if namespace_limit is None else namespace_limit
        self._open = False
        self._flying: dict[str, str] = {}
        self._starting: set[str] = set()
        self._fruitless: set[str] = set()
        self._count: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._waiting: dict[str, list[Key]] = {}
        self._keys: dict[str, tuple[str, Key]] = {}
        self._told: dict[str, tuple[int, Trouble]] = {}

    def open(self) -> None:
        """All that is in flight already is known: turns may be given."""
        self._open = True

    def enter(self, job: Job) -> None:
        """Airflow has this job's run."""
        self.step_aside(job.uid)
        self._starting.discard(job.uid)
        self._fruitless.discard(job.namespace)
        if job.uid not in self._flying:
            self._flying[job.uid] = job.namespace
            self._count[job.namespace] += 1

    def join(self, job: Job) -> None:
        """Let this job wait for its turn, by what its newest version says."""
        key = Key(-int(job.spec.get("priority", 0)), job.created, job.uid)
        if self._keys.get(job.uid) == (job.namespace, key):
            return
        told = self._told.get(job.uid)
        self.step_aside(job.uid)
        self._keys[job.uid] = job.namespace, key
        insort(self._waiting.setdefault(job.namespace, []), key)
        if told is not None:
            self._told[job.uid] = told

    def step_aside(self, uid: str) -> None:
        """Let this job wait no longer."""
        self._told.pop(uid, None)
        if (found := self._keys.pop(uid, None)) is None:
            return
        namespace, key = found
        waiting = self._waiting[namespace]
        del waiting[bisect_left(waiting, key)]
        if not waiting:
            del self._waiting[namespace]
            self._forget(namespace)

    def leave(self, uid: str) -> None:
        """Count this job no longer: it neither waits nor has a run in flight."""
        self.step_aside(uid)
        if (namespace := self._flying.pop(uid, None)) is not None:
            if uid in self._starting:
                self._starting.remove(uid)
                self._fruitless.add(namespace)
            self._count[namespace] -= 1
            if not self._count[namespace]:
                del self._count[namespace]
                self._forget(namespace)

    def _forget(self, namespace: str) -> None:
        if namespace not in self._waiting and namespace not in self._count:
            self._served.pop(namespace, None)
            self._fruitless.discard(namespace)

    @property
    def limit(self) -> int:
        """Runs that may be in flight in all."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """Runs that are in flight, or about to be."""
        return len(self._flying)

    @property
    def opened(self) -> bool:
        """Whether turns are given."""
        return self._open

    def __len__(self) -> int:
        return len(self._keys)

    def has_turn(self, uid: str) -> bool:
        """Whether this job may ask for its run."""
        return uid in self._flying

    def give_turns(self) -> list[str]:
        """Give turns to as many as may go now; the uids, in their order."""
        given: list[str] = []
        while self._open and len(self._flying) < self._limit and len(self._starting) < STARTING:
            free = [name for name in self._waiting if self._count[name] < self._namespace_limit]
            if not free:
                break
            namespace = self._next(free)
            uid = self._waiting[namespace][0].uid
            self.step_aside(uid)
            self._flying[uid] = namespace
            self._starting.add(uid)
            self._count[namespace] += 1
            self._served[namespace] = max(self._served.values(), default=0) + 1
            given.append(uid)
        return given

    def _next(self, free: list[str]) -> str:
        """Which of these namespaces has the next turn."""
        least = min((self._count[name] for name in free if name not in self._fruitless), default=0)

        def order(name: str) -> tuple[int, int, str]:
            counted = max(self._count[name], least) if name in self._fruitless else self._count[name]
            return counted, self._served.get(name, 0), name

        return min(free, key=order)

    def waiting(self) -> list[str]:
        """All jobs that wait for their turn."""
        return list(self._keys)

    def held(self, uid: str) -> Trouble | None:
        """Why this waiting job has to wait, with its place as last told; None while its turn is near anyway."""
        namespace, key = self._keys[uid]
        if self._has_news(uid, at := bisect_left(self._waiting[namespace], key), self._ahead):
            place, of = self._place(namespace, at, self._ahead)
            self._told[uid] = place, Trouble(reasons.HELD, f"Place {place} of {of} in line; {self._full(namespace)}.")
        told = self._told.get(uid)
        return None if told is None else told[1]

    def to_be_told(self) -> list[str]:
        """Waiting jobs about which `held` has something new to say."""
        found = []
        ahead = cache(self._ahead)  # the same for all namespaces, of which there may be a thousand
        for waiting in self._waiting.values():
            found += [key.uid for at, key in enumerate(waiting) if self._has_news(key.uid, at, ahead)]
        return found

    def _has_news(self, uid: str, at: int, ahead: Callable[[int], int]) -> bool:
        namespace, _ = self._keys[uid]
        if not self._open or not self._full(namespace):
            return False
        told = self._told.get(uid)
        return told is None or self._place(namespace, at, ahead)[0] <= told[0] * RENEWED_AT

    def _place(self, namespace: str, at: int, ahead: Callable[[int], int]) -> tuple[int, int]:
        """Place and length of the line that this one stands in: the namespace's own, or that of all in turn."""
        if len(self._flying) < self._limit:
            return at + 1, len(self._waiting[namespace])
        return 1 + ahead(at), len(self._keys)

    def _ahead(self, at: int) -> int:
        """How many go first if every namespace has so many turns."""
        return sum(min(len(waiting), at) for waiting in self._waiting.values())

    def _full(self, namespace: str) -> str:
        """Which limit is reached, in words; empty when none is."""
        if len(self._flying) >= self._limit:
            return f"{len(self._flying)} runs are in flight, the most there may be"
        if self._count[namespace] >= self._namespace_limit:
            return f"{self._count[namespace]} runs of the namespace are in flight, the most there may be"
        return ""
