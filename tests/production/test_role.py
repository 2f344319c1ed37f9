"""The operator's role in Airflow, as manifests/overlays/production-like has it: what it may not do.

What it may do is what all other tests of this folder need.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.support.airflow import DAG, Airflow
from tests.support.cluster import Cluster, Namespace
from tests.support.jobs import job, until_phase


@pytest.fixture(scope="package")
def operator(cluster: Cluster) -> Airflow:
    """Airflow, as the operator has it."""
    secret = Namespace(cluster, "airflow-container-job").item("secrets", "airflow-credentials")
    assert secret is not None
    name, password = (base64.b64decode(secret["data"][key]).decode() for key in ("username", "password"))
    return Airflow(cluster.environment["AIRFLOW_URL"], name, password)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/connections", None),
        ("GET", "/variables", None),
        ("GET", "/pools", None),
        ("GET", "/eventLogs", None),
        ("POST", "/dags/another/dagRuns", {"logical_date": None}),
        ("PATCH", "/dags/another/dagRuns/one", {"state": "failed"}),
        ("GET", "/dags/another/dagRuns/one", None),
        ("DELETE", f"/dags/{DAG}/dagRuns/one", None),
        ("DELETE", f"/dags/{DAG}", None),
        ("GET", f"/dags/{DAG}/dagRuns/one/taskInstances/run/logs/1", None),
    ],
)
def test_is_refused(operator: Airflow, method: str, path: str, body: Any) -> None:
    with pytest.raises(HTTPError) as refusal:
        operator(method, path, body)
    assert refusal.value.code == 403


def test_a_dag_that_is_not_in_it_keeps_its_own_job_waiting(namespace: Namespace) -> None:
    namespace.apply(job("curious", "true", dagId="another"))
    status = until_phase(namespace, "curious", "Pending", reason="DagDenied")
    assert "'another'" in status["message"]
    namespace.apply(job("beside", "true"))
    until_phase(namespace, "beside", "Succeeded")
