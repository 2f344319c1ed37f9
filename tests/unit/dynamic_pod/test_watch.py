"""The shared watch, and what happens to it."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientTimeout

from dynamic_pod import api, manifest, watch
from dynamic_pod.runner import Runner
from tests.unit.dynamic_pod.acting import VALUES, Act, play
from tests.unit.dynamic_pod.fake_cluster import NAMESPACE, FakeCluster, Recorder, until


def test_a_broken_watch_is_taken_up_where_it_ended() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        await fake.watched()
        fake.silent = True
        fake.start(name)
        fake.cut_streams()
        fake.silent = False
        await until(lambda: fake.count("WATCH") >= 2)
        fake.end(name)
        assert (await act.end()).succeeded
        assert fake.count("GET") == 1, "the list at the start is the only one: the history was still there"

    play(scene)


def test_history_that_is_gone_is_replaced_by_a_list() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        await fake.watched()
        fake.silent = True
        fake.end(name)
        fake.forget_history()
        fake.cut_streams()
        assert (await act.end()).succeeded
        assert fake.count("GET") >= 1

    play(scene)


def test_a_pod_that_vanished_while_the_line_was_broken_is_noticed() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.start(name)
        await fake.watched()
        fake.silent = True
        fake.vanish(name)
        fake.forget_history()
        fake.cut_streams()
        fake.silent = False
        fake.end(await fake.pod(2))
        assert (await act.end()).attempts[0]["reason"] == "PodDeleted"

    play(scene)


def test_a_silent_watch_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line can be dead without either end knowing."""
    monkeypatch.setattr(api, "WATCH_TIMEOUT", ClientTimeout(total=0.2))

    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        await fake.watched()
        fake.silent = True
        fake.end(name)
        await until(lambda: fake.count("WATCH") >= 2)
        fake.silent = False
        assert (await act.end()).succeeded

    play(scene)


def test_many_pods_share_one_watch() -> None:
    async def run() -> None:
        fake = FakeCluster()
        async with fake.serve() as cluster:
            log = Recorder()
            identities = [manifest.Identity("d", f"run-{n}", "run", -1, 1, str(n)) for n in range(30)]
            runs = [asyncio.create_task(Runner(cluster, one, VALUES, log).run()) for one in identities]
            await until(lambda: len(fake.pods) == 30)
            for name in list(fake.pods):
                fake.end(name)
            async with asyncio.timeout(8):
                ends = await asyncio.gather(*runs)
            assert all(end.succeeded for end in ends)
            assert fake.count("WATCH") == 1
            assert not cluster.pods(NAMESPACE)._followers
            assert cluster.pods(NAMESPACE)._task is None, "nobody follows: nobody watches"

    asyncio.run(run())


def test_the_watch_asks_for_our_pods_only() -> None:
    assert watch.SELECTOR == "app.kubernetes.io/managed-by=airflow-container-job,acj.dev/task"
