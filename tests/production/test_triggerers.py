"""Of two triggerers one dies, or stands still: the other takes over what it followed, and no container runs twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support.airflow import Airflow
from tests.support.cluster import Cluster, Namespace
from tests.support.jobs import ended, job, pods_of, uid, until_phase
from tests.support.nodes import Nodes
from tests.support.wait import until

TRIGGERERS = ("-n", "airflow", "deployment/airflow-triggerer")

UNTIL_TOLD = """
until [ -e /tmp/end ]; do sleep 0.2; done
echo told to end
echo '"well"' > /airflow/xcom/return.json
"""

SEND = r"""
sent=0
for process in /proc/[0-9]*; do
  if tr '\0' '\n' < $process/environ 2>/dev/null | grep -qx "HOSTNAME=$POD"; then
    kill -s $SIGNAL ${process#/proc/} && sent=$((sent + 1))
  fi
done
echo $sent
"""
"""Sends a signal to all processes of a pod, whose host name is the pod's."""

LET_GO = "trigger completed"
"""What a triggerer says in a task's log when it has done with the task."""


def follower(airflow: Airflow, dag_run_id: str) -> str:
    """The triggerer that follows a run's container: its pod's name; empty when none does."""
    (task,) = airflow.tasks(dag_run_id)
    return str((task["triggerer_job"] or {}).get("hostname", ""))


def triggerers(cluster: Cluster) -> set[str]:
    """The pods of the triggerers."""
    found = Namespace(cluster, "airflow").items("pods", labelSelector="app.kubernetes.io/component=triggerer")
    return {one["metadata"]["name"] for one in found}


def dies(cluster: Cluster, nodes: Nodes, triggerer: str) -> None:
    """A triggerer is killed without a word, and no other one is started in its place."""
    assert nodes.total(SEND, SIGNAL="KILL", POD=triggerer) > 0
    cost = "controller.kubernetes.io/pod-deletion-cost=-1"  # of the two, this is the one to go
    cluster.kubectl("-n", "airflow", "annotate", "pod", triggerer, cost)
    cluster.kubectl("scale", *TRIGGERERS, "--replicas=1")
    until(f"{triggerer} is gone", lambda: triggerer not in triggerers(cluster), 60)


@contextmanager
def standing_still(nodes: Nodes, triggerer: str) -> Iterator[None]:
    """A triggerer gives no sign of life, and then goes on where it was."""
    assert nodes.total(SEND, SIGNAL="STOP", POD=triggerer) > 0
    try:
        yield
    finally:
        nodes.total(SEND, SIGNAL="CONT", POD=triggerer)


def tell_to_end(namespace: Namespace, status: Mapping[str, Any]) -> None:
    """Let a job's container end."""
    namespace.kubectl("exec", status["podName"], "--", "touch", "/tmp/end")  # noqa: S108 - in the container


def all_running(namespace: Namespace) -> dict[str, dict[str, Any]]:
    """Four jobs whose containers run until they are told to end, and their statuses by their names."""
    names = [f"job-{number}" for number in range(4)]
    # Every pod that there has ever been stays to be counted.
    namespace.apply(*(job(name, UNTIL_TOLD, podRetention="Keep") for name in names))
    return {name: until_phase(namespace, name, "Running") for name in names}


def ran_once(namespace: Namespace, airflow: Airflow, running: Mapping[str, dict[str, Any]]) -> None:
    """Each job's only container came to its good end, and Airflow knows it."""
    for name, before in running.items():
        status = ended(namespace, name)
        assert (status["phase"], status["reason"], status["result"]) == ("Succeeded", "Completed", "well"), status
        assert [attempt["podName"] for attempt in status["attempts"]] == [before["podName"]]
        assert [one["metadata"]["name"] for one in pods_of(namespace, name)] == [before["podName"]]
        assert airflow.runs_of(uid(namespace, name)) == 1
        assert airflow.until_over(before["dagRunId"]) == "success"
        assert "told to end" in airflow.log(before["dagRunId"])


def test_one_that_was_late_leaves_the_containers_to_the_other(
    cluster: Cluster, airflow: Airflow, nodes: Nodes, namespace: Namespace
) -> None:
    """When it goes on, Airflow tells it to stop by the word that it uses also when somebody ends the task."""
    running = all_running(namespace)
    runs = {name: status["dagRunId"] for name, status in running.items()}
    followers = {name: follower(airflow, run) for name, run in runs.items()}
    late = Counter(followers.values()).most_common(1)[0][0]
    (other,) = triggerers(cluster) - {late}
    with standing_still(nodes, late):
        until("the other follows all", lambda: {follower(airflow, run) for run in runs.values()} == {other}, 120)
    taken = [runs[name] for name in runs if followers[name] == late]
    until("the late one has let go", lambda: all(LET_GO in "\n".join(airflow.log(run)) for run in taken), 60)
    for status in running.values():
        tell_to_end(namespace, status)
    ran_once(namespace, airflow, running)


def test_the_other_takes_over(cluster: Cluster, airflow: Airflow, nodes: Nodes, namespace: Namespace) -> None:
    """Some containers run on until it has, some end before."""
    running = all_running(namespace)
    runs = {name: status["dagRunId"] for name, status in running.items()}
    followers = {name: follower(airflow, run) for name, run in runs.items()}
    victim = Counter(followers.values()).most_common(1)[0][0]
    (survivor,) = triggerers(cluster) - {victim}
    dies(cluster, nodes, victim)

    early = next(name for name in runs if followers[name] == victim)
    late = [name for name in runs if name != early]
    tell_to_end(namespace, running[early])
    until("the other follows all", lambda: {follower(airflow, runs[name]) for name in late} == {survivor}, 120)
    for name in late:
        tell_to_end(namespace, running[name])
    ran_once(namespace, airflow, running)
