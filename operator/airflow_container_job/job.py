"""The resource as the operator sees it: one frozen value per version of the object.

The API server has checked the spec against the CRD's closed schema; `parse` refuses only what no schema can have let
through. The spec stays Kubernetes' JSON, so that every field travels on byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from airflow_container_job.errors import InvalidJob

GROUP: Final = "acj.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "AirflowContainerJob"
PLURAL: Final = "airflowcontainerjobs"

FINALIZER: Final = "acj.dev/stop-run"
"""Held only while a DagRun may be live, so that an uninstalled operator blocks no finished resource."""

ANNOTATION_DECISION: Final = "acj.dev/run"
"""The decided run, written together with the finalizer before Airflow is asked. See `Decision`."""

NOT_EXECUTION: Final = frozenset({"suspend"})
"""Fields of the spec whose change alone does not call for another run."""

SPEC_CHANGED: Final = "SpecChanged"
"""Reason of the status while the run of an earlier spec is being stopped."""

TERMINAL: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Decision:
    """That a run shall be, fixed before anything is asked of Airflow.

    The id depends on nothing but the resource's uid and the generation the decision was made at, so whoever repeats
    the request, after whatever crash, names the same DagRun. The digest tells a changed spec from a touched one.
    """

    dag_run_id: str
    generation: int
    digest: str

    @classmethod
    def of(cls, uid: str, generation: int, spec: Mapping[str, Any]) -> Self:
        """Decide a run for this version of the resource."""
        return cls(f"acj-{uid}-{generation}", generation, digest(spec))

    @classmethod
    def load(cls, uid: str, annotation: str, dag_run_id: str) -> Self | None:
        """Read the decision from the annotation `<generation>/<digest>`; None when there is none.

        Where somebody has removed or overwritten it, the run that the status names tells the generation; the digest is
        lost then, and any later change of the spec counts as one that calls for a run.
        """
        number, _, fingerprint = annotation.partition("/")
        if not (number.isdecimal() and fingerprint):
            number, fingerprint = dag_run_id.removeprefix(f"acj-{uid}-"), ""
        return cls(f"acj-{uid}-{number}", int(number), fingerprint) if number.isdecimal() else None

    def dump(self) -> str:
        """Write the annotation's text."""
        return f"{self.generation}/{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One version of one AirflowContainerJob."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    deleted_at: datetime | None
    finalizers: Sequence[str]
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    decision: Decision | None

    @property
    def suspended(self) -> bool:
        """Whether no run is wanted now."""
        return bool(self.spec.get("suspend", False))

    @property
    def held(self) -> bool:
        """Whether our finalizer keeps the object."""
        return FINALIZER in self.finalizers

    @property
    def recorded(self) -> Mapping[str, Any]:
        """The status as far as it speaks of the decided run; empty while it speaks of an earlier one or of none."""
        if self.decision is None or self.status.get("dagRunId") != self.decision.dag_run_id:
            return {}
        return self.status

    @property
    def finished(self) -> bool:
        """Whether the decided run's end is recorded: the guard against running anything twice."""
        return self.recorded.get("phase") in TERMINAL

    @property
    def triggered(self) -> bool:
        """Whether it is recorded that Airflow has accepted the decided run."""
        return self.recorded.get("dagRunState") is not None

    @property
    def changed(self) -> bool:
        """Whether the spec now asks for another run than the decided one."""
        return (
            self.decision is not None
            and self.decision.generation != self.generation
            and self.decision.digest != digest(self.spec)
        )

    @property
    def closing(self) -> bool:
        """Whether the decided run is to be ended, or was: by spec.suspend, or because the spec changed.

        What the status says counts too, so that a resume in the middle of stopping still brings a new run.
        """
        said = self.recorded.get("phase") == "Suspended" or self.recorded.get("reason") == SPEC_CHANGED
        return self.suspended or self.changed or said

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def digest(spec: Mapping[str, Any]) -> str:
    """Fingerprint of what is executed: 16 hexadecimal digits, the same for the same content in any order of keys."""
    execution = {key: value for key, value in spec.items() if key not in NOT_EXECUTION}
    text = json.dumps(execution, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse(body: Mapping[str, Any]) -> Job:
    """Read the object as the API server sent it; raises InvalidJob when it is not what the CRD promises."""
    try:
        meta = body["metadata"]
        annotations = meta.get("annotations") or {}
        status = body.get("status") or {}
        return Job(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            generation=meta["generation"],
            resource_version=meta["resourceVersion"],
            deleted_at=parse_time(meta.get("deletionTimestamp")),
            finalizers=tuple(meta.get("finalizers") or ()),
            spec=body.get("spec") or {},
            status=status,
            decision=Decision.load(meta["uid"], annotations.get(ANNOTATION_DECISION, ""), status.get("dagRunId", "")),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidJob(f"the object is not a {KIND} of {GROUP}/{VERSION}: {error!r}") from error


def parse_time(text: str | None) -> datetime | None:
    """Read an RFC 3339 time with its zone."""
    return None if text is None else datetime.fromisoformat(text)
