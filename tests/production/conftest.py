"""An Airflow as production has it, in place of the development one as long as the tests of this folder last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev import engine, install, up
from tests.support.cluster import Cluster
from tests.support.real import airflow, namespace, nodes, warmed_up, worker

__all__ = ["airflow", "namespace", "nodes", "worker"]


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """The cluster of `make up` with manifests/overlays/production-like in it."""
    found = Cluster.find()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found.environment.items():
            patch.setenv(name, value)
        engine.use()
        with up.instead(install.PRODUCTION_LIKE):
            yield warmed_up(found)
