"""Jobs in syncs of a real Argo CD: as hooks, in waves, suspended, failed; and what people do in its UI.

What docs/how-to/gitops.md promises; the command it gives is how the patch gets in here, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.gitops.argo_cd import ArgoCD
from tests.gitops.repository import Repository
from tests.support.airflow import Airflow
from tests.support.cluster import Json
from tests.support.jobs import condition, until_phase
from tests.support.wait import until


@dataclass(frozen=True)
class Sync:
    """What there was after a sync of the example."""

    operation: Json
    backup: Json
    migrate: Json
    web: Json
    smoke_test: Json


def synced(argo_cd: ArgoCD, revision: str) -> Sync:
    operation = argo_cd.synced("shop", revision)
    argo_cd.stands("shop", "Healthy")
    job = argo_cd.place.job
    return Sync(operation, job("backup"), job("migrate"), read(argo_cd, "deployments", "web"), job("smoke-test"))


def read(argo_cd: ArgoCD, resource: str, name: str) -> Json:
    return argo_cd.place.item(resource, name) or {}


@pytest.fixture(scope="module")
def first(argo_cd: ArgoCD, revision: str) -> Sync:
    return synced(argo_cd, revision)


@pytest.fixture(scope="module")
def expired(argo_cd: ArgoCD, first: Sync) -> Sync:
    """The first sync, once the time of its job is over."""
    until("the job's time is over", lambda: condition(argo_cd.place.status("migrate"), "Expired"), 60)
    return first


@pytest.fixture(scope="module")
def touched(argo_cd: ArgoCD, repository: Repository, expired: Sync) -> Sync:
    """The sync of a commit that changes something else than the job."""
    assert expired
    repository.replace("shop/web.yaml", "terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 2")
    revision = repository.commit("Touch the Deployment")
    argo_cd.refresh("shop")
    return synced(argo_cd, revision)


@pytest.fixture(scope="module")
def changed(argo_cd: ArgoCD, repository: Repository, touched: Sync) -> Sync:
    """The sync of a commit that changes the job."""
    assert touched
    repository.replace("shop/migrate.yaml", "to version 1", "to version 2")
    revision = repository.commit("Migrate to version 2")
    argo_cd.refresh("shop")
    return synced(argo_cd, revision)


def made(resource: Json) -> str:
    return str(resource["metadata"]["creationTimestamp"])


def over(job: Json) -> str:
    return str(job["status"]["completionTime"])


def test_hooks_and_waves_wait_for_each_other(first: Sync) -> None:
    """PreSync, then one wave after the other, then PostSync; times have no zones but UTC, and sort as text."""
    assert over(first.backup) <= made(first.migrate)
    assert over(first.migrate) <= made(first.web)
    assert made(first.web) <= made(first.smoke_test)
    assert over(first.smoke_test) <= first.operation["finishedAt"]


def test_the_link_to_airflow_is_shown(argo_cd: ArgoCD, first: Sync) -> None:
    node = argo_cd.node("shop", "migrate")
    assert node["networkingInfo"]["externalURLs"] == [f"Airflow|{first.migrate['status']['dagRunUrl']}"]
    assert node["health"] == {"status": "Healthy", "message": "Completed"}
    argo_cd.stands("shop", "Healthy", "Synced")  # with an annotation that is not in git


def test_time_to_live_does_not_loop(airflow: Airflow, argo_cd: ArgoCD, expired: Sync) -> None:
    """A deleted resource would be missing, healed, and run again."""
    argo_cd.refresh("shop")
    argo_cd.stands("shop", "Healthy", "Synced")
    now = argo_cd.place.job("migrate")
    assert now["metadata"]["uid"] == expired.migrate["metadata"]["uid"]
    assert airflow.runs_of(now["metadata"]["uid"]) == len(now["status"]["runs"])


def test_a_commit_that_leaves_the_job_alone_runs_hooks_only(expired: Sync, touched: Sync) -> None:
    assert touched.web["metadata"]["generation"] > expired.web["metadata"]["generation"]
    assert [run["number"] for run in touched.migrate["status"]["runs"]] == [1]
    assert touched.migrate["metadata"]["uid"] == expired.migrate["metadata"]["uid"]
    for before, after in ((expired.backup, touched.backup), (expired.smoke_test, touched.smoke_test)):
        assert before["metadata"]["uid"] != after["metadata"]["uid"]


def test_a_changed_job_runs_again_and_is_waited_for(airflow: Airflow, touched: Sync, changed: Sync) -> None:
    """The end of its run before, which its status still shows at first, is not taken for that of this one."""
    uid = touched.migrate["metadata"]["uid"]
    assert changed.migrate["metadata"]["uid"] == uid
    assert [(run["number"], run["phase"]) for run in changed.migrate["status"]["runs"]] == [
        (1, "Succeeded"),
        (2, "Succeeded"),
    ]
    assert airflow.runs_of(uid) == 2
    assert over(touched.migrate) < over(changed.migrate) <= made(changed.smoke_test)


@pytest.mark.parametrize("name", ["broken-wave", "broken-hook"])
def test_a_failed_job_fails_the_sync(argo_cd: ArgoCD, revision: str, name: str) -> None:
    """And what comes after it is not applied."""
    operation = argo_cd.synced(name, revision, "Failed")
    (result,) = (one for one in operation["syncResult"]["resources"] if one["name"] == name)
    assert result["hookPhase"] == "Failed"
    assert "Error" in result["message"]
    assert not read(argo_cd, "configmaps", f"after-{name}")


def test_a_failed_job_is_not_run_by_the_next_sync(argo_cd: ArgoCD, repository: Repository, revision: str) -> None:
    """It would fail again, or do half of its work twice; a changed spec or `rerun` runs it."""
    argo_cd.synced("broken-wave", revision, "Failed")
    before = argo_cd.place.job("broken-wave")
    argo_cd.stands("broken-wave", "Degraded", "OutOfSync")
    repository.replace("broken-wave/all.yaml", "a: '1'", "a: '2'")
    second = repository.commit("Touch what comes after")
    argo_cd.refresh("broken-wave")
    argo_cd.sync("broken-wave")
    argo_cd.synced("broken-wave", second, "Failed")
    assert argo_cd.place.status("broken-wave")["runs"] == before["status"]["runs"]


def test_a_suspended_job_holds_the_sync_until_it_is_resumed(argo_cd: ArgoCD, revision: str) -> None:
    until_phase(argo_cd.place, "gate", "Suspended")
    until("it is shown so", lambda: argo_cd.node("gate", "gate").get("health", {}).get("status") == "Suspended", 60)
    assert argo_cd.operation("gate")["phase"] == "Running"
    assert not read(argo_cd, "configmaps", "after-gate")
    argo_cd.act("gate", "gate", "resume")
    argo_cd.synced("gate", revision)
    assert over(argo_cd.place.job("gate")) <= made(read(argo_cd, "configmaps", "after-gate"))


def test_people_act_in_the_ui(argo_cd: ArgoCD) -> None:
    """And stay in sync: what the actions set is not in git, so nothing takes it back, not even self-heal."""
    first = acted(argo_cd, "", "Running", "Progressing")
    assert argo_cd.actions("long", "long") == {"suspend": True, "resume": False, "stop": True, "run-again": True}
    acted(argo_cd, "suspend", "Suspended", "Suspended")
    assert argo_cd.actions("long", "long") == {"suspend": False, "resume": True, "stop": True, "run-again": False}
    second = acted(argo_cd, "resume", "Running", "Progressing")
    assert second["dagRunId"] != first["dagRunId"]
    stopped = acted(argo_cd, "stop", "Failed", "Degraded")
    assert stopped["reason"] == "Stopped"
    assert argo_cd.actions("long", "long") == {"suspend": False, "resume": False, "stop": False, "run-again": True}
    third = acted(argo_cd, "run-again", "Running", "Progressing")
    assert third["dagRunId"] != second["dagRunId"]


def acted(argo_cd: ArgoCD, action: str, phase: str, health: str) -> Any:
    """Choose an action and wait for what comes of it, in the cluster and in Argo CD; the status."""
    if action:
        argo_cd.act("long", "long", action)
    status = until_phase(argo_cd.place, "long", phase, seconds=180)
    argo_cd.stands("long", health)
    return status
