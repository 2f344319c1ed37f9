"""One operator between one namespace and one fake Airflow, and pods as a trigger and a kubelet would make them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dynamic_pod import contract, outcome
from dynamic_pod.end import End
from tests.support.cluster import API_VERSION, KIND, Json, Namespace, manifest
from tests.support.fake_airflow import FakeAirflow
from tests.support.operator_process import OperatorProcess
from tests.support.wait import until

STARTED = "2026-11-22T10:00:00Z"
ENDED = "2026-11-22T10:00:05Z"


@dataclass(frozen=True)
class World:
    """What an integration test acts on and looks at."""

    namespace: Namespace
    airflow: FakeAirflow
    operator: OperatorProcess

    # ---- acting

    def finished(self, name: str, state: str = "success", **spec: Any) -> str:
        """Apply a resource, let its run end so in Airflow, and wait until all is written; returns the run's id."""
        run = self.triggered(name, **spec)
        self.airflow.finish(run, state)
        self.wait(name, "Succeeded" if state == "success" else "Failed")
        until("the finalizer is gone", lambda: self.released(name))
        return run

    def apply(self, name: str, **spec: Any) -> None:
        """Apply a small resource."""
        self.namespace.apply(manifest(name, **spec))

    def triggered(self, name: str, **spec: Any) -> str:
        """Apply a resource and wait until Airflow has its run and the status says so; returns the run's id."""
        self.apply(name, **spec)
        self.wait(name, "Queued")
        return self.run_id(name)

    def add_pod(self, name: str, attempt: int = 1, pod: str = "", **annotations: str) -> str:
        """Make the pod of a job's run as the trigger does; no scheduler takes it, so a test says what it does."""
        job = self.namespace.job(name)
        owner = {"apiVersion": API_VERSION, "kind": KIND, "name": name, "uid": job["metadata"]["uid"]}
        pod = pod or f"{name}-{attempt}"
        about = {
            "name": pod,
            "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": False}],
            "labels": {
                "app.kubernetes.io/managed-by": "airflow-container-job",
                "acj.dev/job-uid": job["metadata"]["uid"],
                "acj.dev/attempt": str(attempt),
            },
            "annotations": {"acj.dev/dag-run-id": self.run_id(name), **annotations},
        }
        spec = {
            "schedulerName": "none",
            "serviceAccountName": "pods",
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "base", "image": "none"}],
        }
        self.namespace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
        return pod

    def pod_runs(self, pod: str) -> None:
        """Let the pod's container run."""
        self._set_pod(pod, "Running", {"running": {"startedAt": STARTED}})

    def pod_waits(self, pod: str, reason: str, message: str) -> None:
        """Let the pod's container wait for something."""
        self._set_pod(pod, "Pending", {"waiting": {"reason": reason, "message": message}})

    def pod_ends(
        self, pod: str, exit_code: int = 0, message: str = "", reason: str | None = None, at: str = ENDED
    ) -> None:
        """Let the pod's container end; long ago, unless `at` says when. The task leaves in Airflow how, as triggers do.

        A trigger does that a second later: by then the operator has seen the pod. Here a run may end at once after it.
        """
        reason = reason or ("Error" if exit_code else "Completed")
        ended = {"exitCode": exit_code, "reason": reason, "message": message}
        phase = "Failed" if exit_code else "Succeeded"
        self._set_pod(pod, phase, {"terminated": ended | {"startedAt": STARTED, "finishedAt": at}})
        found = self.namespace.item("pods", pod)
        assert found is not None
        attempts = [dict(one) for one in (*outcome.earlier_attempts(found), outcome.attempt(found))]
        end = End(succeeded=not exit_code, attempts=attempts, message="", result=outcome.result(found))
        run = found["metadata"]["annotations"][contract.ANNOTATION_DAG_RUN_ID]
        self.airflow.set_xcom(run, contract.XCOM_OUTCOME, end.xcoms()[contract.XCOM_OUTCOME])

    def pod_goes(self, pod: str) -> None:
        """Delete the pod, as anybody may, at once."""
        # Where the run has ended already, the operator may have deleted it first.
        self.namespace.kubectl("delete", "pod", pod, "--force", "--grace-period=0", "--ignore-not-found")

    def refuse_pod(self, name: str, message: str, uid: str = "", at: str = "") -> None:
        """Say what the trigger says while the API server refuses the job's next pod, now or at another time."""
        about = {"apiVersion": API_VERSION, "kind": KIND, "namespace": self.namespace.name, "name": name}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{name}."},
            "involvedObject": about | {"uid": uid or self.namespace.job(name)["metadata"]["uid"]},
            "type": "Warning",
            "reason": "FailedCreate",
            "message": message,
            "source": {"component": "airflow-container-job"},
            "firstTimestamp": at or now(),
            "lastTimestamp": at or now(),
            "count": 1,
        }
        self.namespace.kubectl("create", "-f", "-", stdin=event)

    def _set_pod(self, pod: str, phase: str, state: Json) -> None:
        container = {"name": "base", "image": "none", "imageID": "", "ready": False, "restartCount": 0, "state": state}
        self.namespace.write_status("pods", pod, {"phase": phase, "containerStatuses": [container]})

    # ---- looking

    def events(self, name: str) -> list[str]:
        """The reasons of the events about a resource, in the order they were posted."""
        about = f"involvedObject.kind={KIND},involvedObject.name={name}"
        posted = self.namespace.items("events", fieldSelector=about)
        return [one["reason"] for one in sorted(posted, key=lambda one: int(one["metadata"]["resourceVersion"]))]

    def has_pod(self, pod: str) -> bool:
        """Whether the pod is there."""
        return self.namespace.item("pods", pod) is not None

    def settled(self, name: str) -> bool:
        """Whether the status is about the newest spec."""
        job = self.namespace.job(name)
        return bool(job.get("status", {}).get("observedGeneration") == job["metadata"]["generation"])

    def run_id(self, name: str) -> str:
        """The id of the run that was decided last for this resource."""
        return str(self.namespace.status(name)["dagRunId"])

    def runs_of(self, name: str) -> list[Json]:
        """Airflow's runs for this resource."""
        uid = self.namespace.job(name)["metadata"]["uid"]
        return [run for run in self.airflow.runs if f"-{uid}-" in run["dag_run_id"]]

    def run_state(self, dag_run_id: str) -> str:
        """Airflow's word on a run."""
        return next(str(run["state"]) for run in self.airflow.runs if run["dag_run_id"] == dag_run_id)

    def released(self, name: str) -> bool:
        """Whether no finalizer holds the resource."""
        return "finalizers" not in self.namespace.job(name)["metadata"]

    def wait(self, name: str, phase: str, reason: str | None = None, seconds: float = 30) -> Json:
        """Wait for a phase, and a reason where one is given; returns the status."""

        def arrived() -> bool:
            status = self.namespace.status(name)
            return status.get("phase") == phase and reason in (None, status.get("reason"))

        try:
            until(f"{name} is {phase} {reason or ''}", arrived, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; its status is {json.dumps(self.namespace.status(name))}") from None
        return self.namespace.status(name)

    def wait_gone(self, name: str, seconds: float = 30) -> None:
        """Wait until the resource is no longer there."""
        until(f"{name} is deleted", lambda: self.namespace.find_job(name) is None, seconds)


def conditions(status: Json) -> dict[str, str]:
    """Type -> status of a status's conditions."""
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


def now(ago: float = 0) -> str:
    """This moment, or so many seconds before it, as Kubernetes writes it."""
    return (datetime.now(UTC) - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
