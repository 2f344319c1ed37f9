"""What a job costs: a few writes at its turns, and nothing while nothing happens to it."""

from __future__ import annotations

import time

from tests.support.cluster import manifest
from tests.support.wait import stays, until
from tests.support.world import World


def test_running_jobs_cost_nothing(world: World) -> None:
    """Comes first: for 10 s after an end, such as those of the others, Airflow is asked whether it is one."""
    names = [f"running-{number}" for number in range(10)]
    world.namespace.apply(*(manifest(name) for name in names))
    world.namespace.wait_for_all(names, "Queued")
    for name in names:
        world.pod_runs(world.add_pod(name))
    world.namespace.wait_for_all(names, "Running")
    patches, requests = world.namespace.cluster.status_patches(), len(world.airflow.requests)
    time.sleep(6.5)  # the measure itself: three counts, 2 s apart
    assert len(world.airflow.requests) - requests <= 5, "a count is one request, however many jobs there are"
    assert world.namespace.cluster.status_patches() == patches


def test_a_job_is_written_at_its_turns_only(world: World) -> None:
    """Five versions after the first: hold, Queued, Running, the end, let go. No event, and no patch in vain."""
    patches = world.namespace.cluster.status_patches
    before = patches()
    with world.namespace.watch() as watch:
        run = world.triggered("turns")
        pod = world.add_pod("turns")
        world.pod_runs(pod)
        world.wait("turns", "Running")
        world.pod_ends(pod)  # long ago: the kubelet of a busy node tells late
        world.airflow.finish(run, "success")
        world.wait("turns", "Succeeded")
        until("the finalizer is gone", lambda: world.released("turns"))
        watch.catch_up()
        assert watch.writes("turns") <= 5
        done = patches()
        assert done - before <= 4
        assert world.events("turns") == []
        stays("nothing more is written", lambda: patches() == done, seconds=5)


def test_waiting_costs_nothing(world: World) -> None:
    """What is waited for is written once, also where it is looked at again and again."""
    world.airflow.dags["container_job"].is_paused = True
    try:
        world.triggered("waiting")
        world.wait("waiting", "Queued", "DagPaused")
        patches = world.namespace.cluster.status_patches()
        stays("nothing is written", lambda: world.namespace.cluster.status_patches() == patches, seconds=11)
    finally:
        world.airflow.dags["container_job"].is_paused = False
