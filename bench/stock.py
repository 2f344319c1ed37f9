"""DAGs of bench/dags, in the development Airflow for the time of a measurement, and what the stock operator needs."""

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
_FOLDER: Final = "/opt/airflow/example-dags"
_EXEC: Final = ("exec", "-i", "--namespace=airflow", "deployment/airflow", "--container=dag-processor", "--")


@contextmanager
def installed(api: Api, name: str, *dags: str) -> Iterator[None]:
    """Put a file with these DAGs into the folder that Airflow's parts share, and take it out again."""
    source = Path(__file__).parent / "dags" / name
    try:
        kubectl(*_EXEC, "sh", "-c", f"cat > {_FOLDER}/{name}", stdin=source.read_text())
        until(f"Airflow has the DAGs of {name}", lambda: _known(api) >= set(dags), seconds=180)
        yield
    finally:
        kubectl(*_EXEC, "rm", "-f", f"{_FOLDER}/{name}")


def allow(namespace: Namespace) -> None:
    """Give Airflow what the stock operator needs beyond ours in this namespace: it reads events, among others."""
    names = ("--clusterrole=edit", "--serviceaccount=airflow:airflow")
    namespace.kubectl("create", "rolebinding", "stock-operator", *names)


def _known(api: Api) -> set[str]:
    found = api.send("GET", "/dags?dag_id_prefix_pattern=bench_&exclude_stale=true")["dags"]
    return {dag["dag_id"] for dag in found if not dag["is_paused"]}
