"""Fixtures of the tests in which everything is real: the cluster, Airflow, the operator's image, pods. No fakes.

Imported by the conftest of each such folder, which says what is installed there in a `cluster` of its own, for
`pytest` to find under these names.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.airflow import Airflow
from tests.support.cluster import Cluster, Namespace
from tests.support.jobs import ended, job
from tests.support.nodes import Nodes
from tests.support.worker import Worker

__all__ = ["airflow", "batch", "namespace", "nodes", "warmed_up", "worker"]


def warmed_up(cluster: Cluster) -> Cluster:
    """The cluster, once a job has run through it: just installed, the operator may still pause before it asks."""
    with cluster.namespace() as namespace:
        namespace.apply(job("first", "true"))
        ended(namespace, "first")
    return cluster


@pytest.fixture(scope="package")
def airflow(cluster: Cluster) -> Airflow:
    """Airflow, as its administrator has it."""
    return Airflow.of(cluster.environment)


@pytest.fixture(scope="package")
def nodes(cluster: Cluster) -> Nodes:
    """The cluster's nodes from inside."""
    return Nodes(cluster.environment)


@pytest.fixture(scope="package")
def worker(cluster: Cluster) -> Worker:
    """The node that jobs run on. Whatever a killed run of the tests did to it is undone."""
    worker = Worker.find(cluster)
    worker.restore()
    return worker


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace for one test."""
    with cluster.namespace() as namespace:
        yield namespace


@pytest.fixture(scope="module")
def batch(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Namespace]:
    """All objects of the module's BATCH, applied at once before its first test, so that they run side by side."""
    with cluster.namespace() as namespace:
        namespace.apply(*request.module.BATCH)
        yield namespace
