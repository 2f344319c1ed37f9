"""A real API server, the real operator as a process, and a fake Airflow between which faults are made to happen."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.fake_airflow import FakeAirflow
from tests.support.operator_process import OPERATOR, OperatorProcess, away
from tests.support.world import World

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="integration-tests-")
"""Nothing that imports Airflow reads or writes somebody's own."""


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """The cluster, with the CRD, and until the last test of this folder with no operator but those the tests start."""
    cluster = Cluster.find()
    cluster.install_crd()
    with away(cluster, OPERATOR):
        yield cluster


@pytest.fixture(scope="module")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An operator, an Airflow and a namespace for the tests of one module; each mends what it broke."""
    with FakeAirflow() as airflow, cluster.namespace() as namespace:
        operator = OperatorProcess(namespace, airflow, tmp_path_factory.mktemp("operator"))
        operator.start()
        try:
            yield World(namespace, airflow, operator)
        finally:
            operator.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the operator's log beside a failure."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for fixture in item.funcargs.values():
            if isinstance(fixture, World):
                report.sections.append(("operator's log", fixture.operator.log[-8000:]))
    return report
