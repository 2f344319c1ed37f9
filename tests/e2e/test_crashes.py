"""Parts die by SIGKILL, while a container runs and while it ends: it runs once, and the status comes out right.

How often a container ran is counted by itself, in a file on the node that it appends to.
"""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.e2e.jobs import ended, job, pods, until_phase
from tests.support.airflow import Airflow
from tests.support.cluster import Namespace
from tests.support.nodes import Nodes
from tests.support.wait import until

TRIGGERER = "airflow.*triggerer"
OPERATOR = "airflow_container_job"


def counting(name: str, seconds: int, mark: str) -> dict[str, object]:
    """A job that appends a line to a file of the node, then works for a while."""
    return job(
        name,
        f"echo ran >> /marks/{mark}; sleep {seconds}; echo '{{\"slept\": {seconds}}}' > /airflow/xcom/return.json",
        volumes=[{"name": "marks", "hostPath": {"path": "/tmp/acj-marks", "type": "DirectoryOrCreate"}}],  # noqa: S108
        volumeMounts=[{"name": "marks", "mountPath": "/marks"}],
    )


def runs(nodes: Nodes, mark: str) -> int:
    return nodes.total(f"cat /tmp/acj-marks/{mark} 2>/dev/null | wc -l")


def check(airflow: Airflow, nodes: Nodes, namespace: Namespace, mark: str) -> None:
    """Whatever died: one DagRun, one attempt, one run of the container, and the result."""
    status = ended(namespace, "counted", seconds=180)
    assert status["phase"] == "Succeeded", status
    assert status["result"]["slept"] > 0
    assert [attempt["number"] for attempt in status["attempts"]] == [1]
    assert runs(nodes, mark) == 1
    uid = namespace.job("counted")["metadata"]["uid"]
    assert airflow("GET", f"/dags/~/dagRuns?run_id_prefix_pattern=acj-{uid}")["total_entries"] == 1


@pytest.mark.parametrize("victim", [TRIGGERER, OPERATOR])
def test_killed_while_the_container_runs(airflow: Airflow, nodes: Nodes, namespace: Namespace, victim: str) -> None:
    mark = uuid4().hex
    namespace.apply(counting("counted", 15, mark))
    until_phase(namespace, "counted", "Running")
    nodes.kill(victim)
    check(airflow, nodes, namespace, mark)


@pytest.mark.parametrize("victim", [TRIGGERER, OPERATOR])
def test_killed_while_the_container_ends(airflow: Airflow, nodes: Nodes, namespace: Namespace, victim: str) -> None:
    mark = uuid4().hex
    namespace.apply(counting("counted", 5, mark))
    until_phase(namespace, "counted", "Running")
    until("the container ends", lambda: all(pod["status"]["phase"] != "Running" for pod in pods(namespace)))
    nodes.kill(victim)
    check(airflow, nodes, namespace, mark)
