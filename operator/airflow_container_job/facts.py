"""What is known about a run from outside: Airflow's word about the DagRun, the API server's about its pod."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from airflow_container_job.decision import parse_time

ENDED: Final = frozenset({"success", "failed"})
LOST: Final = "lost"
"""Stands for a DagRun that Airflow no longer has."""


@dataclass(frozen=True, slots=True)
class DagRun:
    """A DagRun as Airflow last told it. `state` is Airflow's word; a word unknown to us means "not over"."""

    dag_run_id: str
    state: str
    ended_at: datetime | None = None
    owner_uid: str | None = None
    run_after: datetime | None = None
    """When it was asked for, mostly. It stays when the run is cleared, and Airflow's database has an index of it."""

    @property
    def over(self) -> bool:
        """Whether it will not go on by itself."""
        return self.state in ENDED or self.state == LOST

    @classmethod
    def of_task(cls, body: Mapping[str, Any], owner_uid: str | None = None) -> DagRun:
        """Tell the state its run comes to from Airflow's TaskInstanceResponse of an only task that has ended."""
        return cls(
            dag_run_id=body["dag_run_id"],
            state=body["state"],
            ended_at=parse_time(body.get("end_date")),
            owner_uid=owner_uid,
            run_after=parse_time(body.get("run_after")),
        )

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> DagRun:
        """Read Airflow's DAGRunResponse."""
        conf = body.get("conf") or {}
        owner = conf.get("owner_reference") if isinstance(conf, dict) else None
        return cls(
            dag_run_id=body["dag_run_id"],
            state=body["state"],
            ended_at=parse_time(body.get("end_date")),
            owner_uid=owner.get("uid") if isinstance(owner, dict) else None,
            run_after=parse_time(body.get("run_after")),
        )


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the next step could not be taken: a reason of the status, and words for a person."""

    reason: str
    message: str
    at: datetime | None = None
    """When it was met, where that matters."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the container ended, as attempts and a result."""

    attempts: Sequence[Mapping[str, Any]] = ()
    """Oldest first, each as the contract describes an attempt."""
    result: Any = None
    result_problem: str | None = None
    """Why what the container left is no result."""


@dataclass(slots=True)
class Facts:
    """All that is known about one job's decided run besides the resource itself; empty after a restart."""

    run: DagRun | None = None
    pods: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """uid -> the pod as last seen, of any run of this job."""
    gone: set[str] = field(default_factory=set)
    """uids of pods that no longer exist."""
    outcome: Outcome | None = None
    """What the task left in Airflow, where the pod itself was not seen to its end."""
    turn: bool = False
    """Whether the job may ask Airflow for its run."""
    held: Trouble | None = None
    """Why it may not, and its place in line."""
    trouble: Trouble | None = None
    """Why Airflow did not do what it was asked."""
    blocked: Trouble | None = None
    """Why Airflow does not start what it has: a paused DAG, a part of it that is down."""
    refused: Trouble | None = None
    """Why the API server did not let Airflow make the pod."""
    doubted: bool = False
    """Whether Airflow has hinted that the finished run is not as recorded: cleared, or marked otherwise."""
    unanswered: bool = False
    """Whether a request to create the run got no answer, and may still be carried out."""

    @property
    def told(self) -> bool:
        """Whether it is known what a job without a run waits for."""
        return self.held is not None or self.trouble is not None

    def begin_anew(self) -> None:
        """Another run was decided: what was known of the last one is of no use."""
        self.run = self.outcome = self.trouble = self.refused = None
        self.doubted = self.unanswered = False
        self.forget_gone()

    def forget_gone(self) -> None:
        """Keep nothing of pods that no longer exist."""
        self.pods = {uid: pod for uid, pod in self.pods.items() if uid not in self.gone}
        self.gone.clear()

    def is_gone(self, pod: Mapping[str, Any]) -> bool:
        """Whether this pod no longer exists."""
        return pod["metadata"]["uid"] in self.gone
