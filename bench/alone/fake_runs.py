"""What the fast fake Airflow knows: runs that end by themselves, in memory, and their shapes on the wire.

Used by `fake_airflow`, its server. Every question the operator asks is answered from an index, so that ten thousand
runs cost no more than ten. The shapes are those of airflow/api_fastapi/core_api (3.3), without what is always empty.
Unlike tests/support/fake_store.py it refuses nothing and knows one DAG: it is there to be fast, not to be right in
every corner.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from dynamic_pod import contract

Json = dict[str, Any]

PAGE_LIMIT: Final = 100
"""Airflow's own limit for a page."""

ENDED: Final = frozenset({"success", "failed"})


@dataclass(slots=True)
class Run:
    """A DagRun and its only task."""

    number: int
    run_id: str
    dag_id: str
    conf: Json
    note: str | None
    created: float
    state: str = "running"
    changed: float = 0.0
    ended: float | None = None

    def shown(self) -> Json:
        """The run as DAGRunResponse shows it."""
        began = _stamp(self.created)
        return {
            "dag_run_id": self.run_id,
            "dag_id": self.dag_id,
            "dag_display_name": self.dag_id,
            "logical_date": None,
            "queued_at": began,
            "start_date": began,
            "end_date": _stamp(self.ended),
            "duration": None if self.ended is None else self.ended - self.created,
            "run_after": began,
            "run_type": "manual",
            "state": self.state,
            "triggered_by": "rest_api",
            "triggering_user_name": "operator",
            "conf": self.conf,
            "note": self.note,
            "dag_versions": [],
        }

    def shown_task(self) -> Json:
        """Its task as TaskInstanceResponse shows it."""
        began = _stamp(self.created)
        return {
            "id": f"00000000-0000-0000-0000-{self.number:012}",
            "task_id": contract.TASK_ID,
            "task_display_name": contract.TASK_ID,
            "dag_id": self.dag_id,
            "dag_display_name": self.dag_id,
            "dag_run_id": self.run_id,
            "map_index": -1,
            "state": self.state,
            "start_date": began,
            "end_date": _stamp(self.ended),
            "duration": None if self.ended is None else self.ended - self.created,
            "run_after": began,
            "try_number": 1,
            "max_tries": 0,
            "pool": "default_pool",
            "pool_slots": 1,
            "operator": "DynamicPodOperator",
            "queue": "default",
            "executor_config": "{}",
            "hostname": "",
            "unixname": "airflow",
            "rendered_fields": {},
        }

    def left(self) -> Json:
        """The XCom in which a task tells how its container ended."""
        times = {"startedAt": _second(self.created), "finishedAt": _second(self.ended or self.created)}
        return {"attempts": [{"number": 1, "podName": self.run_id, **times, "exitCode": 0, "reason": "Completed"}]}


@dataclass
class FakeRuns:
    """All runs. For one event loop."""

    seconds: float | None = None
    """How long a run lasts from its creation; None: until it is told to end."""
    runs: dict[str, Run] = field(default_factory=dict)
    live: dict[str, Run] = field(default_factory=dict)
    over: list[tuple[float, str]] = field(default_factory=list)
    """(time of the last change, run), in the order of the changes."""

    def create(self, dag_id: str, run_id: str, conf: Json, note: str | None) -> Run | None:
        """Make a run; None when there is one of that id."""
        if run_id in self.runs:
            return None
        now = time.time()
        run = Run(len(self.runs) + 1, run_id, dag_id, conf, note, now, changed=now)
        self.runs[run_id] = self.live[run_id] = run
        if self.seconds is not None:
            asyncio.get_running_loop().call_later(self.seconds, self.end, run_id, "success")
        return run

    def end(self, run_id: str, state: str) -> None:
        """Let a run end; one that has ended stays as it is."""
        if (run := self.live.pop(run_id, None)) is not None:
            run.state, run.changed, run.ended = state, time.time(), time.time()
            self.over.append((run.changed, run_id))

    def changed_since(self, since: float) -> Iterable[Run]:
        """The runs that are over and have changed at or after this time."""
        first = bisect_left(self.over, (since, ""))
        return [self.runs[run_id] for _, run_id in self.over[first:]]

    def select(self, states: Sequence[str], since: float | None) -> list[Run]:
        """The runs in these states (none: in any) that began, or have ended, at or after this time; oldest first."""
        if states and ENDED.isdisjoint(states):
            return [run for run in self.live.values() if run.state in states and run.changed >= (since or 0.0)]
        if since is None:
            found: Iterable[Run] = self.runs.values()
        else:
            found = [*self.changed_since(since), *(run for run in self.live.values() if run.changed >= since)]
        return sorted((run for run in found if not states or run.state in states), key=lambda run: run.number)


def page(found: Sequence[Run], limit: int, cursor: str | None, offset: int) -> tuple[Sequence[Run], str | None]:
    """One page of what was found, and where the next one begins; the number of the last run is a cursor."""
    limit = min(limit, PAGE_LIMIT)
    if cursor is None:
        return found[offset : offset + limit], None
    after = int(cursor or 0)
    first = bisect_left(found, after + 1, key=lambda run: run.number)
    shown = found[first : first + limit]
    return shown, str(shown[-1].number) if first + limit < len(found) else None


def _stamp(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def _second(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
