"""A job that Argo CD applied carries the link to its DagRun, which Argo CD shows beside it."""

from __future__ import annotations

from tests.support.cluster import Json, manifest
from tests.support.wait import until
from tests.support.world import World

LINK = "link.argocd.argoproj.io/airflow"
APPLIED = {"argocd.argoproj.io/tracking-id": "shop:acj.dev/AirflowContainerJob:team-a/linked"}


def notes(world: World, name: str) -> Json:
    found: Json = world.namespace.job(name)["metadata"].get("annotations", {})
    return found


def test_the_link_costs_no_write_and_names_the_run_of_now(world: World) -> None:
    """It comes with the decision, before Airflow is asked, and again with that of the next run."""
    body = manifest("linked")
    body["metadata"]["annotations"] = APPLIED
    with world.namespace.watch() as watch:
        world.namespace.apply(body)
        world.wait("linked", "Queued")
        first = world.run_id("linked")
        watch.catch_up()
        decided = next(v for v in watch.versions("linked") if "acj.dev/run" in v["metadata"]["annotations"])
        assert watch.writes("linked") == 2, "the decision, and Queued"
    where = f"Airflow|{world.airflow.url}/dags/container_job/runs/"
    assert decided["metadata"]["annotations"][LINK] == where + first

    world.airflow.finish(first, "success")
    world.wait("linked", "Succeeded")
    world.namespace.patch("linked", rerun="once more")
    until("it runs again", lambda: world.run_id("linked") != first)
    assert notes(world, "linked")[LINK] == where + world.run_id("linked")


def test_a_job_that_argo_cd_does_not_know_has_none(world: World) -> None:
    body = manifest("elsewhere")
    body["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "shop"}
    world.namespace.apply(body)
    world.triggered("plain")
    world.wait("elsewhere", "Queued")
    assert LINK not in notes(world, "plain")
    assert LINK not in notes(world, "elsewhere")
