"""Getting a pod into the cluster: what is waited for, what ends the task, what is told meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dynamic_pod import admission
from dynamic_pod.end import End
from tests.unit.dynamic_pod.acting import VALUES, Act, play
from tests.unit.dynamic_pod.fake_cluster import FakeCluster


def test_waiting_reasons_are_told_once_each() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        await fake.watched()
        for reason in ("ErrImagePull", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError"):
            fake.wait(name, reason, "because")
            await asyncio.sleep(0.05)
        fake.end(name)
        await act.end()
        told = [line for line in act.log.lines if "waits" in line]
        assert told == [
            "The pod waits: ImagePullBackOff: because",
            "The pod waits: CreateContainerConfigError: because",
        ]

    play(scene)


def test_an_exceeded_quota_is_waited_for() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod())
        assert (await act.end()).succeeded
        told = [line for line in act.log.lines if "exceeded quota" in line]
        assert len(told) == 1, "told once, however long it takes"

    async def refusing(fake: FakeCluster, act: Act) -> None:
        await scene(fake, act)

    quota = (403, "Forbidden", 'pods "x" is forbidden: exceeded quota: pods')

    async def run() -> None:
        fake = FakeCluster()
        fake.refuse("POST", quota, quota, quota)
        async with fake.serve() as cluster:
            await refusing(fake, Act(cluster, VALUES))

    asyncio.run(run())


@pytest.mark.parametrize(
    "refusal",
    [
        (403, "Forbidden", "violates PodSecurity restricted"),
        (422, "Invalid", "spec.volumes[0].name: Invalid value"),
        (400, "BadRequest", 'strict decoding error: unknown field "spec.containers[0].securityContext.runAsNonroot"'),
        (404, "NotFound", 'namespaces "team" not found'),
    ],
)
def test_a_refused_pod_ends_the_task_with_the_servers_words(refusal: tuple[int, str, str]) -> None:
    async def run() -> None:
        fake = FakeCluster()
        fake.refuse("POST", refusal)
        async with fake.serve() as cluster:
            end = await Act(cluster, VALUES).end()
        assert not end.succeeded
        assert end.attempts[0]["reason"] == "InvalidSpec"
        assert refusal[2] in end.attempts[0]["message"]
        assert set(end.xcoms()) == {"outcome"}

    asyncio.run(run())


def test_the_api_server_is_asked_to_refuse_fields_that_it_does_not_know() -> None:
    """Else it drops them: a misspelt runAsNonRoot would run as root."""

    async def scene(fake: FakeCluster, act: Act) -> None:
        fake.end(await fake.pod())
        await act.end()
        (made,) = [request for request in fake.requests if request.startswith("POST")]
        assert made.endswith("/pods?fieldValidation=Strict")

    play(scene)


def test_a_new_namespaces_service_account_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ACCOUNT_SECONDS", 0.1)
    missing = (403, "Forbidden", 'error looking up service account team/x: serviceaccount "x" not found')

    async def run(times: int) -> End:
        fake = FakeCluster()
        fake.refuse("POST", *[missing] * times)
        async with fake.serve() as cluster:
            act = Act(cluster, VALUES)
            if times < 3:
                fake.end(await fake.pod())
            return await act.end()

    assert asyncio.run(run(2)).succeeded
    assert "serviceaccount" in asyncio.run(run(1000)).attempts[0]["message"]


def test_an_api_server_that_is_away_is_waited_for() -> None:
    async def run() -> None:
        fake = FakeCluster()
        fake.refuse("POST", (503, "ServiceUnavailable", "starting"), (500, "InternalError", "etcd leader changed"))
        async with fake.serve() as cluster:
            act = Act(cluster, VALUES)
            fake.end(await fake.pod())
            assert (await act.end()).succeeded

    asyncio.run(run())


# What the owner is told.

OWNER = {"apiVersion": "acj.dev/v1alpha1", "kind": "AirflowContainerJob", "name": "hello", "uid": "u-1"}
TWO_QUOTAS = [
    (403, "Forbidden", 'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1'),
    (403, "Forbidden", 'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2'),
    (403, "Forbidden", 'pods "x" is forbidden: exceeded quota: large, requested: pods=1, used: pods=9'),
]
WEBHOOK = (500, "InternalError", 'Internal error occurred: failed calling webhook "w": ' + "é" * 2000)


def refused(
    *refusals: tuple[int, str, str], event_refusals: tuple[tuple[int, str, str], ...] = (), **values: Any
) -> tuple[FakeCluster, Act]:
    """A task whose pod is refused some times, and then made."""

    async def run() -> tuple[FakeCluster, Act]:
        fake = FakeCluster()
        fake.refuse("POST", *refusals)
        fake.refuse("EVENT", *event_refusals)
        async with fake.serve() as cluster:
            act = Act(cluster, VALUES | values)
            fake.end(await fake.pod())
            assert (await act.end()).succeeded
            return fake, act

    return asyncio.run(run())


def test_the_owner_is_told_of_each_trouble_once() -> None:
    fake, _ = refused(*TWO_QUOTAS, owner_reference=OWNER)
    assert [event["message"] for event in fake.told] == [TWO_QUOTAS[0][2], TWO_QUOTAS[2][2]]
    event = fake.told[0]
    assert event["involvedObject"] == {**OWNER, "namespace": "team"}
    assert event["metadata"]["namespace"] == "team"
    assert (event["type"], event["reason"]) == ("Warning", "FailedCreate")
    assert event["source"] == {"component": "airflow-container-job"}


def test_a_failing_webhook_is_told_as_far_as_an_event_can() -> None:
    fake, _ = refused(WEBHOOK, WEBHOOK, owner_reference=OWNER)
    (event,) = fake.told
    assert WEBHOOK[2].startswith(event["message"])
    assert 1000 < len(event["message"].encode()) <= 1024


@pytest.mark.parametrize(
    "refusal", [(503, "ServiceUnavailable", "starting"), (429, "TooManyRequests", "later"), (401, "Unauthorized", "")]
)
def test_of_the_api_servers_own_troubles_the_owner_is_not_told(refusal: tuple[int, str, str]) -> None:
    fake, _ = refused(refusal, owner_reference=OWNER)
    assert not fake.told


def test_without_an_owner_nobody_is_told() -> None:
    fake, _ = refused(TWO_QUOTAS[0])
    assert fake.count("EVENT") == 0


def test_an_event_that_is_refused_does_not_hurt() -> None:
    fake, act = refused(*TWO_QUOTAS, event_refusals=((403, "Forbidden", "no events for you"),), owner_reference=OWNER)
    assert len(fake.told) == 1
    assert "no events for you" in "".join(act.log.lines)
    assert not act.log.warnings
