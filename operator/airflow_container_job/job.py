"""The resource as the operator sees it: one frozen value per version of the object.

The API server has checked the spec against the CRD's closed schema; `parse` refuses only what no schema can have let
through. The spec stays Kubernetes' JSON, so that every field travels on byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from airflow_container_job.decision import Decision, digest, parse_time, rerun_digest
from airflow_container_job.document import Document
from airflow_container_job.errors import InvalidJob
from airflow_container_job.reasons import SUSPENDED, TERMINAL

GROUP: Final = "acj.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "AirflowContainerJob"
PLURAL: Final = "airflowcontainerjobs"

FINALIZER: Final = "acj.dev/stop-run"
"""Held only while a DagRun may be live, so that an uninstalled operator blocks no finished resource."""

ANNOTATION_DECISION: Final = "acj.dev/run"
"""The decided run. See `decision`."""

LINK: Final = "link.argocd.argoproj.io/airflow"
"""Annotation that Argo CD shows as a link beside the resource; any name after the slash is one."""

ARGO_CD: Final = frozenset(
    {
        "argocd.argoproj.io/tracking-id",
        "argocd.argoproj.io/instance",
        "app.kubernetes.io/instance",
    }
)
"""Labels and annotations of what Argo CD applied. The last was its own before 3.0, and is what Helm charts set."""

TRACKING: Final = ARGO_CD | {"kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"}
"""Those of all tools that make a deleted resource anew: Argo CD, Flux, and what they install with Helm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One version of one AirflowContainerJob."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created: str
    """RFC 3339, in UTC: sorts as text."""
    deleted_at: datetime | None
    finalizers: Sequence[str]
    tracked: bool
    """Whether a GitOps tool would make it anew if it were deleted."""
    in_argo_cd: bool
    """Whether that tool is Argo CD, as far as one can tell."""
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    decision: Decision | None

    @property
    def suspended(self) -> bool:
        """Whether no run is wanted now."""
        return bool(self.spec.get("suspend", False))

    @property
    def shut_down(self) -> bool:
        """Whether the run is to be ended for good."""
        return "shutdown" in self.spec

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
    def at_rest(self) -> bool:
        """Whether it is recorded that its run was stopped, to run again some time."""
        return self.recorded.get("reason") == SUSPENDED

    @property
    def triggered(self) -> bool:
        """Whether it is recorded that Airflow has accepted the decided run."""
        return self.recorded.get("dagRunState") is not None

    @property
    def changed(self) -> bool:
        """Whether the spec now asks for another run than the decided one, by what it says is to be executed."""
        return self._touched and self.spec.get("rerunPolicy") != "Never" and self._decided.digest != digest(self.spec)

    @property
    def rerun(self) -> bool:
        """Whether the spec asks for another run by a new text in `rerun`."""
        return self._touched and "rerun" in self.spec and self._decided.rerun != rerun_digest(self.spec)

    @property
    def renewed(self) -> bool:
        """Whether another run than the decided one is asked for, and nothing keeps it from being decided."""
        return (self.changed or self.rerun) and not self.shut_down

    @property
    def _touched(self) -> bool:
        """Digests are compared only then, so that no new version of the operator takes an old job for a changed one."""
        return self.decision is not None and self.decision.generation != self.generation

    @property
    def _decided(self) -> Decision:
        assert self.decision is not None  # noqa: S101 - for the type checker: callers ask for `_touched` first
        return self.decision

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def parse(body: Mapping[str, Any]) -> Job:
    """Read the object as the API server sent it; raises InvalidJob when it is not what the CRD promises."""
    try:
        meta = body["metadata"]
        annotations = meta.get("annotations") or {}
        labels = meta.get("labels") or {}
        marks = annotations.keys() | labels.keys()
        status = body.get("status") or {}
        return Job(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            generation=meta["generation"],
            resource_version=meta["resourceVersion"],
            created=meta.get("creationTimestamp", ""),
            deleted_at=parse_time(meta.get("deletionTimestamp")),
            finalizers=tuple(meta.get("finalizers") or ()),
            tracked=not TRACKING.isdisjoint(marks),
            in_argo_cd=not ARGO_CD.isdisjoint(marks),
            spec=Document(body.get("spec") or {}),
            status=Document(status),
            decision=Decision.load(meta["uid"], annotations.get(ANNOTATION_DECISION, ""), status),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidJob(f"the object is not a {KIND} of {GROUP}/{VERSION}: {error!r}") from error
