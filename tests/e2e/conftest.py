"""End to end: the cluster of `make up`, with real Airflow, the operator's image and real pods. No fakes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.airflow import Airflow
from tests.support.cluster import Cluster, Namespace
from tests.support.nodes import Nodes


@pytest.fixture(scope="session")
def airflow(cluster: Cluster) -> Airflow:
    made = cluster.environment
    return Airflow(made["AIRFLOW_URL"], made["AIRFLOW_USERNAME"], made["AIRFLOW_PASSWORD"])


@pytest.fixture(scope="session")
def nodes(cluster: Cluster) -> Nodes:
    return Nodes(cluster.environment)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return Cluster.find()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    with cluster.namespace() as namespace:
        yield namespace
