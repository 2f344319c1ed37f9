"""The other two ways in: Airflow's REST API and its command line, with the same conf and without any resource."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from uuid import uuid4

import pytest

from tests.support.airflow import DAG, Airflow
from tests.support.cluster import Cluster, Namespace
from tests.support.docs import ROOT, Document
from tests.support.jobs import pods
from tests.support.wait import until

SEED = {
    "docker_image_name": "busybox:1.35",
    "commands": ["sh", "-c"],
    "arguments": ['echo "$GREETING" && echo "\\"$GREETING\\"" > /airflow/xcom/return.json'],
    "env_vars": {"GREETING": "good morning"},
}


def test_rest(airflow: Airflow, namespace: Namespace) -> None:
    run = airflow.trigger(SEED | {"namespace": namespace.name})
    assert airflow.until_over(run) == "success"
    assert airflow.xcom(run, "return_value") == "good morning"
    assert "good morning" in airflow.log(run)
    until("its pod is gone", lambda: not pods(namespace), 20)


def test_rest_without_a_namespace_runs_in_airflows_own(airflow: Airflow) -> None:
    run = airflow.trigger(SEED)
    assert airflow.until_over(run) == "success"
    assert airflow.xcom(run, "pod_namespace") == "airflow"


def test_command_line(airflow: Airflow, cluster: Cluster) -> None:
    """The command as README.md has it, where the command line is."""
    blocks = Document.read(ROOT / "README.md").blocks
    (command,) = next(block.commands() for block in blocks if block.detail == "tests/e2e/test_ways_in.py")
    run = f"by-hand-{uuid4().hex}"
    inside = ["exec", "-n", "airflow", "deploy/airflow", "-c", "scheduler", "--"]
    cluster.kubectl(*inside, "sh", "-c", f"{command.text} --run-id {run}")
    assert airflow.until_over(run) == "success"
    assert "good morning" in airflow.log(run)


def test_in_a_worker_for_an_airflow_without_triggerer(namespace: Namespace) -> None:
    """In an Airflow of its own beside the other, whose scheduler would else take part."""
    conf = json.dumps(SEED | {"namespace": namespace.name})
    home = f"/tmp/{namespace.name}"  # noqa: S108 - in the container
    settings = [
        f"AIRFLOW_HOME={home}",
        f"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=sqlite:///{home}/airflow.db",
        "AIRFLOW__DYNAMIC_POD__DEFERRABLE=False",
    ]
    script = f'airflow db migrate && airflow dags test {DAG} -c "$0"; code=$?; rm -r {home}; exit $code'
    inside = ["exec", "-n", "airflow", "deploy/airflow", "-c", "scheduler", "--"]
    shown = namespace.cluster.kubectl(*inside, "env", *settings, "sh", "-c", script, conf)
    assert "good morning" in shown.stdout + shown.stderr
    until("the pod is deleted", lambda: not pods(namespace), 20)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"docker_image_name": ""}, "docker_image_name"),
        ({"docker_image_name": None}, "docker_image_name"),
        ({"arguments": "not a list"}, "arguments"),
        ({"retries": -1}, "retries"),
        ({"env_vars": {"A": 1}}, "env_vars"),
    ],
)
def test_a_wrong_conf_is_refused_at_the_trigger(airflow: Airflow, wrong: dict[str, object], key: str) -> None:
    with pytest.raises(HTTPError) as refusal:
        airflow.trigger(SEED | wrong)
    assert refusal.value.code == 400
    assert key in refusal.value.read().decode()
