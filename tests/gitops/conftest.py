"""GitOps: the cluster of `make up`, and a real Argo CD that syncs a git repository into a namespace of it."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from typing import Final

import pytest
import yaml

from tests.gitops.argo_cd import ArgoCD
from tests.gitops.processes import running
from tests.gitops.repository import Repository
from tests.support.cluster import ROOT, Cluster, Json
from tests.support.jobs import GRACE, job
from tests.support.real import airflow

__all__ = ["airflow"]

EXAMPLE: Final = ROOT / "examples/argo-cd"


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return Cluster.find()


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One folder for each Application: the example, and small ones."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(EXAMPLE / "shop", folder / "shop")
    made = Repository(folder)
    made.replace("shop/migrate.yaml", "ttlSecondsAfterFinished: 3600", "ttlSecondsAfterFinished: 1")
    write(made, "broken-wave", in_wave(job("broken-wave", "exit 3"), 0), in_wave(config("after-broken-wave"), 1))
    write(made, "broken-hook", hook(job("broken-hook", "exit 3"), "PreSync"), config("after-broken-hook"))
    write(made, "gate", in_wave(job("gate", "true", suspend=True), 0), in_wave(config("after-gate"), 1))
    write(made, "long", job("long", "sleep 600", **GRACE))
    return made


@pytest.fixture(scope="session")
def revision(repository: Repository) -> str:
    """The first commit."""
    return repository.commit("Begin")


@pytest.fixture(scope="session")
def argo_cd(
    cluster: Cluster, repository: Repository, revision: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ArgoCD]:
    """Argo CD, at work on all Applications from the start, so that they sync side by side."""
    assert revision
    with running(cluster, tmp_path_factory.mktemp("argo-cd")) as argo_cd:
        argo_cd.create("shop", repository.url, yaml.safe_load((EXAMPLE / "application.yaml").read_text()))
        argo_cd.create("long", repository.url, automated={"selfHeal": True})
        for name in ("broken-wave", "broken-hook", "gate"):
            argo_cd.create(name, repository.url)
            argo_cd.sync(name)
        yield argo_cd


def write(repository: Repository, folder: str, *objects: Json) -> None:
    repository.write(f"{folder}/all.yaml", yaml.safe_dump_all(objects))


def config(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}}


def in_wave(resource: Json, wave: int) -> Json:
    return annotated(resource, {"argocd.argoproj.io/sync-wave": str(wave)})


def hook(resource: Json, when: str) -> Json:
    return annotated(resource, {"argocd.argoproj.io/hook": when})


def annotated(resource: Json, annotations: dict[str, str]) -> Json:
    return resource | {"metadata": resource["metadata"] | {"annotations": annotations}}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show Argo CD's logs beside a failure."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        argo_cd = item.funcargs.get("argo_cd")
        if isinstance(argo_cd, ArgoCD):
            report.sections.extend((f"log of {name}", text[-4000:]) for name, text in argo_cd.logs().items())
    return report
