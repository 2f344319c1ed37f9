"""The stock operator's DAGs, in the development Airflow for the time of a measurement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.contenders import Api
from dev.run import kubectl
from tests.support.cluster import Namespace
from tests.support.wait import until

DAGS: Final = ("bench_kpo", "bench_kpo_deferrable")
_FILE: Final = "/opt/airflow/example-dags/bench_kpo.py"
_EXEC: Final = ("exec", "-i", "--namespace=airflow", "deployment/airflow", "--container=dag-processor", "--")


@contextmanager
def installed(api: Api) -> Iterator[None]:
    """Put the DAG file into the folder that Airflow's parts share, and take it out again."""
    source = Path(__file__).parent / "dags/bench_kpo.py"
    kubectl(*_EXEC, "sh", "-c", f"cat > {_FILE}", stdin=source.read_text())
    try:
        until("Airflow has the stock operator's DAGs", lambda: _known(api) == set(DAGS), seconds=180)
        yield
    finally:
        kubectl(*_EXEC, "rm", "-f", _FILE)


def allow(namespace: Namespace) -> None:
    """Give Airflow what the stock operator needs beyond ours in this namespace: it reads events, among others."""
    names = ("--clusterrole=edit", "--serviceaccount=airflow:airflow")
    namespace.kubectl("create", "rolebinding", "stock-operator", *names)


def _known(api: Api) -> set[str]:
    found = api.send("GET", "/dags?dag_id_prefix_pattern=bench_kpo&exclude_stale=true")["dags"]
    return {dag["dag_id"] for dag in found if not dag["is_paused"]}
