"""End to end: the cluster of `make up`, with the development Airflow and the operator's image."""

from __future__ import annotations

import pytest

from tests.support.cluster import Cluster
from tests.support.real import airflow, batch, namespace, nodes, warmed_up, worker

__all__ = ["airflow", "batch", "namespace", "nodes", "worker"]


@pytest.fixture(scope="package")
def cluster() -> Cluster:
    """The cluster as `make up` leaves it."""
    return warmed_up(Cluster.find())
