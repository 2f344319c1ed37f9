"""Parts die by SIGKILL, while a container runs and while it ends, or hang: it runs once, and the status is right.

How often a container ran is counted by itself, in a file on the node that it appends to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.support.airflow import Airflow
from tests.support.cluster import Namespace
from tests.support.jobs import ATTEMPT, attempts, ended, job, pods, uid, until_phase
from tests.support.nodes import Nodes
from tests.support.wait import until

TRIGGERER = "airflow.*triggerer"
SCHEDULER = "airflow.*scheduler"
OPERATOR = "airflow_container_job"

SIGNAL = r"""
reached=0
for process in /proc/[0-9]*; do
  if tr '\0' ' ' < $process/cmdline 2>/dev/null | grep -q "$PATTERN"; then
    kill -$SIGNAL ${process#/proc/} && reached=$((reached + 1))
  fi
done
echo $reached
"""


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
    assert airflow.runs_of(uid(namespace, "counted")) == 1


@pytest.mark.parametrize("victim", [TRIGGERER, OPERATOR])
def test_killed_while_the_container_runs(airflow: Airflow, nodes: Nodes, namespace: Namespace, victim: str) -> None:
    """Another job is at its second attempt then; nothing of the first is forgotten."""
    mark = uuid4().hex
    script = "case $ATTEMPT in 1) exit 4 ;; 2) sleep 10; exit 5 ;; esac"
    tried = job("tried", script, env=ATTEMPT, backoffLimit=2, backoff={"initialSeconds": 0})
    namespace.apply(counting("counted", 15, mark), tried)
    until_phase(namespace, "counted", "Running")
    until("the second attempt runs", lambda: len(namespace.status("tried").get("attempts", ())) == 2)
    nodes.kill(victim)
    check(airflow, nodes, namespace, mark)
    status = ended(namespace, "tried", seconds=180)
    assert attempts(status) == [("Error", 4, "Failure"), ("Error", 5, "Failure"), ("Completed", 0, None)]
    assert len({attempt["podName"] for attempt in status["attempts"]}) == 3


@pytest.mark.parametrize("victim", [TRIGGERER, OPERATOR])
def test_killed_while_the_container_ends(airflow: Airflow, nodes: Nodes, namespace: Namespace, victim: str) -> None:
    mark = uuid4().hex
    namespace.apply(counting("counted", 5, mark))
    until_phase(namespace, "counted", "Running")
    until("the container ends", lambda: all(pod["status"]["phase"] != "Running" for pod in pods(namespace)))
    nodes.kill(victim)
    check(airflow, nodes, namespace, mark)


@contextmanager
def frozen(nodes: Nodes, pattern: str) -> Iterator[None]:
    """Processes that neither work nor end, for the block only."""
    try:
        assert nodes.total(SIGNAL, PATTERN=pattern, SIGNAL="STOP") > 0
        yield
    finally:
        nodes.total(SIGNAL, PATTERN=pattern, SIGNAL="CONT")


def test_parts_of_airflow_that_hang_are_named(nodes: Nodes, namespace: Namespace) -> None:
    with frozen(nodes, TRIGGERER):
        with frozen(nodes, SCHEDULER):
            namespace.apply(job("waiting", "true"))
            until_phase(namespace, "waiting", "Queued", reason="SchedulerUnhealthy", seconds=120)
        until_phase(namespace, "waiting", "Queued", reason="TriggererUnhealthy", seconds=60)
    assert ended(namespace, "waiting")["phase"] == "Succeeded"
