"""What those who watch over the operator see of it: its probes, its metrics and its log, while faults are real.

Between it and the API server is a line that a test can cut, with the operator's own rights and no others.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.cluster import ROOT, Cluster, Json
from tests.support.fake_airflow import FakeAirflow
from tests.support.fake_store import PASSWORD
from tests.support.operator_process import QUICK, OperatorProcess
from tests.support.relay import Relay
from tests.support.wait import until
from tests.support.world import World, now

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True)
class Watched(World):
    """A world whose operator is watched over."""

    relay: Relay
    account: Path
    """The operator's kubeconfig."""

    def probe(self, path: str) -> tuple[int, str]:
        """Status and text; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.operator.endpoint + path, timeout=5) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def samples(self) -> Samples:
        """All that Prometheus would read."""
        families = text_string_to_metric_families(self.probe("/metrics")[1])
        return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}

    def value(self, name: str, **labels: str) -> float:
        """One sample."""
        return self.samples()[name, frozenset(labels.items())]

    def counts(self, phase: str, reason: str) -> float:
        """How many jobs stand so."""
        return self.value("acj_jobs", phase=phase, reason=reason)

    def lines(self) -> list[Json]:
        """The log."""
        return [json.loads(line) for line in self.operator.log.splitlines()]


@pytest.fixture(scope="module")
def watched(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """An operator that lets three runs be in flight, at the end of such a line."""
    with FakeAirflow() as airflow, cluster.namespace() as namespace:
        folder = tmp_path_factory.mktemp("operator")
        operator = OperatorProcess(namespace, airflow, folder, QUICK | {"ACJ_MAX_IN_FLIGHT": "3"})
        account = (folder / "kubeconfig").rename(folder / "account")
        with Relay(account, cluster.environment) as relay:
            (folder / "kubeconfig").write_text(json.dumps(_through(relay)))
            operator.start()
            watched = Watched(namespace, airflow, operator, relay, account)
            try:
                until("the operator is ready", lambda: watched.probe("/readyz")[0] == 200)
                yield watched
            finally:
                operator.kill()


def _through(relay: Relay) -> Json:
    """A kubeconfig that leads there, without any rights of its own."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "relay", "cluster": {"server": f"http://127.0.0.1:{relay.port}"}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "relay", "user": "nobody"}}],
        "current-context": "test",
    }


def test_each_check_is_named_and_explained_in_the_guide(watched: Watched) -> None:
    lines = watched.probe("/readyz")[1].splitlines()
    checks = {line.removeprefix("[+]").removesuffix(" ok") for line in lines}
    guide = (ROOT / "docs" / "how-to" / "monitoring.md").read_text()
    rows = [line.split("|")[1] for line in guide.splitlines() if re.match(r"\| `[a-z-]+`", line)]
    assert checks == {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    assert watched.probe("/livez")[0] == 200
    assert {dict(labels)["check"] for name, labels in watched.samples() if name == "acj_check_ok"} == checks


def test_counts_and_times_follow_a_job(watched: Watched) -> None:
    before = watched.samples()

    def grown(name: str, **labels: str) -> float:
        key = name, frozenset(labels.items())
        return watched.samples()[key] - before[key]

    run = watched.triggered("counted")
    until("it is counted as queued", lambda: grown("acj_jobs", phase="Queued", reason="Starting") == 1)
    assert grown("acj_accept_duration_seconds_count") == 1
    assert grown("acj_runs_in_flight") == 1
    until("it waits", lambda: watched.value("acj_longest_wait_seconds", phase="Queued") > 0)

    pod = watched.add_pod("counted")
    watched.pod_runs(pod)
    watched.wait("counted", "Running")
    until("it is counted as running", lambda: grown("acj_jobs", phase="Running", reason="Running") == 1)
    assert grown("acj_start_duration_seconds_count") == 1
    assert watched.value("acj_longest_wait_seconds", phase="Queued") == 0

    watched.pod_ends(pod, at=now())
    watched.airflow.finish(run, "success")
    watched.wait("counted", "Succeeded")
    until("it is counted as ended", lambda: grown("acj_jobs", phase="Succeeded", reason="Completed") == 1)
    assert grown("acj_jobs", phase="Running", reason="Running") == 0
    assert grown("acj_runs_finished_total", phase="Succeeded", reason="Completed") == 1
    assert grown("acj_report_duration_seconds_count") == 1
    until("its place is free", lambda: grown("acj_runs_in_flight") == 0)

    watched.namespace.delete("counted")
    watched.wait_gone("counted")
    until("it is counted no more", lambda: grown("acj_jobs", phase="Succeeded", reason="Completed") == 0)


def test_those_who_wait_in_line_are_counted(watched: Watched) -> None:
    names = ["one", "two", "three"]
    for name in names:
        watched.triggered(name)
    watched.apply("fourth")
    watched.wait("fourth", "Pending", "Held")
    assert watched.value("acj_queue_length") == 1
    assert watched.value("acj_runs_in_flight") == watched.value("acj_runs_in_flight_limit") == 3
    until("it is counted", lambda: watched.counts("Pending", "Held") == 1)
    for name in [*names, "fourth"]:
        watched.namespace.delete(name)
    for name in [*names, "fourth"]:
        watched.wait_gone(name)
    until("nobody is in line", lambda: watched.value("acj_queue_length") == watched.value("acj_runs_in_flight") == 0)


@pytest.mark.parametrize(("status", "outcome", "count"), [(503, "error", 1), (403, "denied", 2), (422, "refused", 1)])
def test_requests_are_counted_by_outcome(watched: Watched, status: int, outcome: str, count: int) -> None:
    """One that is denied is sent again, once, with a new token."""
    before = {
        kind: watched.value("acj_airflow_requests_total", method="POST", outcome=kind) for kind in (outcome, "ok")
    }
    watched.airflow.fail_next(count, status)
    name = f"outcome-{status}"
    watched.apply(name)
    watched.wait(name, *(("Failed", "InvalidSpec") if status == 422 else ("Queued",)))
    assert watched.value("acj_airflow_requests_total", method="POST", outcome=outcome) == before[outcome] + count
    assert watched.value("acj_airflow_requests_total", method="POST", outcome="ok") >= before["ok"] + (status != 422)
    watched.namespace.delete(name)
    watched.wait_gone(name)


def test_an_airflow_that_is_away_is_told_and_makes_the_operator_neither_dead_nor_unready(watched: Watched) -> None:
    assert watched.value("acj_airflow_reachable") == 1
    with watched.airflow.away():
        watched.apply("waiting")
        watched.wait("waiting", "Pending", "AirflowUnreachable")
        assert watched.value("acj_airflow_reachable") == 0
        until("it is counted", lambda: watched.counts("Pending", "AirflowUnreachable") == 1)
        unanswered = {name: value for name, value in watched.samples().items() if ("outcome", "unanswered") in name[1]}
        assert sum(unanswered.values()) > 0  # whoever asked first: with nobody there, no run is asked for
        assert watched.probe("/livez")[0] == watched.probe("/readyz")[0] == 200
        observed = watched.value("acj_airflow_last_observation_timestamp_seconds")
    watched.wait("waiting", "Queued", seconds=60)
    assert watched.value("acj_airflow_reachable") == 1
    until("Airflow is observed", lambda: watched.value("acj_airflow_last_observation_timestamp_seconds") > observed)
    watched.namespace.delete("waiting")
    watched.wait_gone("waiting")


def test_an_api_server_that_is_away_makes_the_operator_unready_and_not_dead(watched: Watched) -> None:
    watched.relay.cut()
    until("it is unready", lambda: watched.probe("/readyz")[0] == 503)
    failed = [line for line in watched.probe("/readyz")[1].splitlines() if line.startswith("[-]")]
    assert [line.split()[0] for line in failed] == ["[-]kubernetes"]
    assert watched.probe("/livez")[0] == 200
    assert watched.value("acj_check_ok", check="kubernetes") == 0
    watched.relay.mend()
    until("it is ready", lambda: watched.probe("/readyz")[0] == 200)
    watched.triggered("afterwards")
    watched.namespace.delete("afterwards")
    watched.wait_gone("afterwards")


def test_each_line_of_the_log_is_json_and_names_the_job_it_is_about(watched: Watched) -> None:
    run = watched.triggered("logged")
    meta = watched.namespace.job("logged")["metadata"]
    about = {"namespace": meta["namespace"], "name": "logged", "uid": meta["uid"], "dag_run_id": run}
    ours = [line for line in watched.lines() if "logged" in line["message"]]
    assert ours
    for line in ours:
        assert about | {"dag_id": "container_job"} == {key: line[key] for key in (*about, "dag_id")}
    for line in watched.lines():
        assert {"time", "level", "logger", "message"} <= line.keys()
    watched.namespace.delete("logged")
    watched.wait_gone("logged")


def test_no_secret_is_logged(watched: Watched) -> None:
    tokens = {request.token for request in watched.airflow.requests if request.token}
    assert tokens
    (user,) = json.loads(watched.account.read_text())["users"]
    for secret in (*tokens, PASSWORD, user["user"]["token"]):
        assert secret not in watched.operator.log


def test_an_operator_whose_watch_dies_ends_and_says_why(watched: Watched) -> None:
    """What is dead must not look alive: Kubernetes starts the container anew."""
    watched.relay.spoil("airflowcontainerjobs")
    until("the operator has ended", lambda: not watched.operator.alive, seconds=60)
    assert watched.probe("/livez")[0] == 0
    last = watched.lines()[-1]
    assert last["level"] == "critical"
    assert "no leader" in last["exception"]
    watched.operator.start()
    until("the operator is ready", lambda: watched.probe("/readyz")[0] == 200)
