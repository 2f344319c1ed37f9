"""Each file in examples/ does what its header says, applied as it is. All of them run side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.airflow import Airflow
from tests.support.cluster import Cluster, Json, Namespace
from tests.support.jobs import attempts, condition, ended, pods, uid, until_phase
from tests.support.wait import stays, until
from tests.support.worker import Worker

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(path.name for path in EXAMPLES.glob("*.yaml"))
OF_THE_CLUSTER = ["persistentvolume/visitors"]
"""What an example makes outside its namespace."""


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace with all examples in it."""
    cluster.kubectl("delete", *OF_THE_CLUSTER, "--ignore-not-found", "--wait=false")
    with cluster.namespace() as namespace:
        for name in FILES:
            namespace.kubectl("apply", "-f", str(EXAMPLES / name))
        yield namespace
    cluster.kubectl("delete", *OF_THE_CLUSTER, "--ignore-not-found", "--wait=false")


def succeeded(namespace: Namespace, name: str) -> Json:
    status = ended(namespace, name)
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Succeeded", "Completed", 0), status
    return status


def failed(namespace: Namespace, name: str, reason: str) -> Json:
    status = ended(namespace, name)
    assert (status["phase"], status["reason"]) == ("Failed", reason), status
    return status


def pod_names(namespace: Namespace) -> set[str]:
    return {one["metadata"]["name"] for one in pods(namespace)}


def test_each_has_a_test_and_says_what_to_expect() -> None:
    text = Path(__file__).read_text()
    for name in FILES:
        assert f"def test_{name.removesuffix('.yaml').replace('-', '_')}" in text
        header = (EXAMPLES / name).read_text().partition("apiVersion:")[0]
        assert name in ("hello.yaml", "wordcount.yaml") or ("kubectl apply" in header and "# Expect: " in header), name


def test_hello(airflow: Airflow, place: Namespace) -> None:
    status = succeeded(place, "hello")
    assert airflow.until_over(status["dagRunId"]) == "success"
    assert f"hello from {status['podName']}" in airflow.log(status["dagRunId"])


def test_wordcount_counts_as_python_does(airflow: Airflow, place: Namespace) -> None:
    (text,) = (d["data"]["harbour.txt"] for d in read("wordcount.yaml") if d["kind"] == "ConfigMap")
    words = text.split()
    expected = {
        "lines": len(text.splitlines()),
        "words": len(words),
        "characters": len(text),
        "mostFrequent": Counter(word.strip(".").lower() for word in words).most_common(1)[0][0],
    }
    status = succeeded(place, "wordcount")
    assert status["result"] == expected
    assert airflow.xcom(status["dagRunId"], "return_value") == expected


def test_environment(place: Namespace) -> None:
    assert succeeded(place, "environment")["result"] == {
        "greeting": "good morning, harbour",
        "template": "{{ 7*7 }}",
        "pier": "7",
        "password": 12,
        "key": 13,
        "job": "environment",
    }


def test_volumes(place: Namespace) -> None:
    """The folder is the node's, and may know visitors of earlier test runs."""
    first = succeeded(place, "volumes")["result"]["visits"]
    place.patch("volumes", rerun="once more")
    until("it ran again", lambda: place.status("volumes")["runs"][-1]["number"] == 2)
    assert succeeded(place, "volumes")["result"] == {"visits": first + 1}


def test_init_and_sidecar(place: Namespace) -> None:
    assert succeeded(place, "init-and-sidecar")["result"] == {"served": "prepared"}


def test_placement(worker: Worker, place: Namespace) -> None:
    assert succeeded(place, "placement")["result"] == worker.name


def test_resources(place: Namespace) -> None:
    assert succeeded(place, "resources")["result"] == 32 * 1024 * 1024
    assert failed(place, "resources-oom", "OOMKilled")["exitCode"] == 137


def test_security(place: Namespace) -> None:
    assert succeeded(place, "security")["result"] == {
        "user": 1000,
        "group": 2000,
        "rootfs": "read-only",
        "token": "none",
    }


def test_retries(place: Namespace) -> None:
    expected = [("Error", 75, "Ignored"), ("Error", 1, "Failure"), ("Completed", 0, None)]
    assert attempts(succeeded(place, "retries")) == expected
    status = failed(place, "retries-hopeless", "Error")
    assert attempts(status) == [("Error", 64, "Failure")]


def test_deadlines(place: Namespace) -> None:
    failed(place, "deadlines-running", "DeadlineExceeded")
    assert "Unschedulable" in failed(place, "deadlines-start", "StartDeadlineExceeded")["message"]


def test_suspend(airflow: Airflow, place: Namespace) -> None:
    until_phase(place, "suspend", "Suspended", reason="Suspended")
    assert airflow.runs_of(uid(place, "suspend")) == 0
    place.patch("suspend", suspend=False)
    until_phase(place, "suspend", "Succeeded")


def test_shutdown(airflow: Airflow, place: Namespace) -> None:
    running = until_phase(place, "shutdown", "Running")
    place.patch("shutdown", shutdown="Stop")
    failed(place, "shutdown", "Stopped")
    until("its pod is gone", lambda: running["podName"] not in pod_names(place), 20)
    assert airflow.run(running["dagRunId"])["state"] == "failed"


def test_rerun(place: Namespace) -> None:
    assert len(succeeded(place, "rerun")["runs"]) == 1
    place.patch("rerun", rerun="asked by Ada, 2026-11-22")
    until("it runs again", lambda: len(place.status("rerun")["runs"]) == 2)
    assert {run["phase"] for run in succeeded(place, "rerun")["runs"]} == {"Succeeded"}


def test_ttl(airflow: Airflow, place: Namespace) -> None:
    until("the resource is gone", lambda: place.find_job("ttl") is None, 60)
    until("the other's time is over", lambda: condition(place.status("ttl-tracked"), "Expired"), 60)
    assert condition(place.status("ttl-tracked"), "Expired")["status"] == "True"
    stays("it runs no more", lambda: place.status("ttl-tracked")["phase"] == "Succeeded", 2)
    assert airflow.runs_of(uid(place, "ttl-tracked")) == 1


def test_retention(place: Namespace) -> None:
    gone = succeeded(place, "hello")["podName"]
    until("a pod that nobody keeps is gone", lambda: gone not in pod_names(place), 60)
    kept = {failed(place, "retention-failed", "Error")["podName"], succeeded(place, "retention-all")["podName"]}
    assert kept <= pod_names(place)
    assert "the mooring broke" in place.kubectl("logs", place.status("retention-failed")["podName"]).stdout


def test_result(place: Namespace) -> None:
    assert succeeded(place, "result")["result"] == {"ships": ["Ada", "Grace"], "late": 0}
    of_failure = failed(place, "result-of-failure", "Error")
    assert (of_failure["exitCode"], of_failure["result"]) == (3, {"ships": []})
    broken = succeeded(place, "result-broken")
    assert "result" not in broken
    stored = condition(broken, "ResultStored")
    assert (stored["status"], stored["reason"]) == ("False", "ResultNotJSON")


def test_own_dag(airflow: Airflow, place: Namespace) -> None:
    status = until_phase(place, "own-dag", "Succeeded", "Failed", seconds=240)
    assert (status["phase"], status["reason"], status["dagId"]) == ("Succeeded", "Completed", "primes")
    assert airflow.xcom(status["dagRunId"], "return_value", dag="primes", task="total") == 168
