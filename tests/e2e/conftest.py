"""End to end: the cluster of `make up`, with real Airflow, the operator's image and real pods. No fakes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.jobs import ended, job
from tests.support.airflow import Airflow
from tests.support.cluster import Cluster, Namespace
from tests.support.nodes import Nodes
from tests.support.worker import Worker


@pytest.fixture(scope="session")
def airflow(cluster: Cluster) -> Airflow:
    made = cluster.environment
    return Airflow(made["AIRFLOW_URL"], made["AIRFLOW_USERNAME"], made["AIRFLOW_PASSWORD"])


@pytest.fixture(scope="session")
def nodes(cluster: Cluster) -> Nodes:
    return Nodes(cluster.environment)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster, once a job has run through it: right after `make up` the operator may still pause before it asks."""
    found = Cluster.find()
    with found.namespace() as namespace:
        namespace.apply(job("first", "true"))
        ended(namespace, "first")
    return found


@pytest.fixture(scope="session")
def worker(cluster: Cluster) -> Worker:
    """The node that jobs run on. Whatever a killed run of the tests did to it is undone."""
    worker = Worker.find(cluster)
    worker.restore()
    return worker


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    with cluster.namespace() as namespace:
        yield namespace


@pytest.fixture(scope="module")
def batch(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Namespace]:
    """All objects of the module's BATCH, applied at once before its first test, so that they run side by side."""
    with cluster.namespace() as namespace:
        namespace.apply(*request.module.BATCH)
        yield namespace
