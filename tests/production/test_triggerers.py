"""Of two triggerers one dies and stays away: the other takes over what it followed, and no container runs twice."""

from __future__ import annotations

from collections import Counter

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

KILL = r"""
killed=0
for process in /proc/[0-9]*; do
  if tr '\0' '\n' < $process/environ 2>/dev/null | grep -qx "HOSTNAME=$POD"; then
    kill -9 ${process#/proc/} && killed=$((killed + 1))
  fi
done
echo $killed
"""
"""Kills all processes of a pod, whose host name is the pod's."""


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
    assert nodes.total(KILL, POD=triggerer) > 0
    cost = "controller.kubernetes.io/pod-deletion-cost=-1"  # of the two, this is the one to go
    cluster.kubectl("-n", "airflow", "annotate", "pod", triggerer, cost)
    cluster.kubectl("scale", *TRIGGERERS, "--replicas=1")
    until(f"{triggerer} is gone", lambda: triggerer not in triggerers(cluster), 60)


def test_the_other_takes_over(cluster: Cluster, airflow: Airflow, nodes: Nodes, namespace: Namespace) -> None:
    """Some containers run on until it has, some end before."""
    names = [f"job-{number}" for number in range(4)]
    # Every pod that there has ever been stays to be counted.
    namespace.apply(*(job(name, UNTIL_TOLD, podRetention="Keep") for name in names))
    running = {name: until_phase(namespace, name, "Running") for name in names}
    runs = {name: status["dagRunId"] for name, status in running.items()}
    followers = {name: follower(airflow, run) for name, run in runs.items()}
    victim = Counter(followers.values()).most_common(1)[0][0]
    (survivor,) = triggerers(cluster) - {victim}
    dies(cluster, nodes, victim)

    early = next(name for name in names if followers[name] == victim)
    late = [name for name in names if name != early]
    namespace.kubectl("exec", running[early]["podName"], "--", "touch", "/tmp/end")  # noqa: S108 - in the container
    until("the other follows all", lambda: {follower(airflow, runs[name]) for name in late} == {survivor}, 120)
    for name in late:
        namespace.kubectl("exec", running[name]["podName"], "--", "touch", "/tmp/end")  # noqa: S108

    for name in names:
        status = ended(namespace, name)
        assert (status["phase"], status["reason"], status["result"]) == ("Succeeded", "Completed", "well"), status
        assert [attempt["podName"] for attempt in status["attempts"]] == [running[name]["podName"]]
        assert [one["metadata"]["name"] for one in pods_of(namespace, name)] == [running[name]["podName"]]
        assert airflow.runs_of(uid(namespace, name)) == 1
        assert airflow.until_over(runs[name]) == "success"
        assert "told to end" in airflow.log(runs[name])
