"""What a real API server makes of the pods that a task asks for: fields, quotas, restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from airflow_container_job import conf
from airflow_container_job.job import parse
from dynamic_pod import access, manifest
from dynamic_pod import cluster as entered
from dynamic_pod.api import Api, ApiError
from dynamic_pod.runner import Runner
from tests.support.cluster import ROOT, Cluster, Json, Namespace
from tests.support.specs import objects, properties
from tests.unit.dynamic_pod.fake_cluster import Recorder

UID = "6f1c3b52-0c3b-4c6f-9d1c-2f6f2b1f0a11"
IDENTITY = manifest.Identity("container_job", f"acj-{UID}-1", "run", -1, 1, "0199-ti")
FULL = yaml.safe_load((ROOT / "tests" / "data" / "full.yaml").read_text())["spec"]
EARLIER = [{"number": 1, "podName": "p", "reason": "Error", "message": "no", "exitCode": 1}]
NOWHERE = {"docker_image_name": "busybox:1.35", "service_account_name": "pods", "node_selector": {"no": "node"}}
"""A pod that stays `Pending`, and takes its place in a quota."""


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    with cluster.namespace() as namespace:
        yield namespace


@pytest.fixture
def without_room(namespace: Namespace) -> None:
    allow(namespace, pods=0)


def allow(namespace: Namespace, pods: int) -> None:
    """Set how many pods the namespace may hold, and wait until that counts."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
    namespace.apply(quota | {"spec": {"hard": {"pods": str(pods)}}})
    namespace.kubectl("wait", "resourcequota/small", f"--for=jsonpath={{.status.hard.pods}}={pods}", "--timeout=30s")


@asynccontextmanager
async def way_into(namespace: Namespace) -> AsyncIterator[entered.Cluster]:
    api = Api(await access.of_kubeconfig(namespace.cluster.environment["KUBECONFIG"], None))
    try:
        yield entered.Cluster(api, namespace.name)
    finally:
        await api.close()


def refusal(namespace: Namespace, pod: Json) -> ApiError:
    """How the API server refuses a pod for which the namespace has no room."""

    async def ask() -> ApiError:
        async with way_into(namespace) as found:
            with pytest.raises(ApiError) as refused:
                await found.api.create_pod(namespace.name, pod)
            return refused.value

    return asyncio.run(ask())


def values_of(namespace: Namespace, spec: Json) -> Json:
    """The values that a resource with this spec leads to."""
    meta = {"namespace": namespace.name, "name": "hello", "uid": UID, "generation": 1, "resourceVersion": "7"}
    sent = json.loads(json.dumps(conf.build(parse({"metadata": meta, "spec": spec}))))
    return manifest.merge({}, sent)


@pytest.mark.usefixtures("without_room")
@pytest.mark.parametrize("further", [False, True])
def test_every_field_of_every_pod_means_something_to_the_api_server(namespace: Namespace, further: bool) -> None:
    """It decodes a pod, strictly, before it asks whether the pod may be made."""
    values = values_of(namespace, FULL | {"serviceAccountName": "pods"})
    first, second = (
        manifest.build(values, IDENTITY, 1),
        manifest.build(values, IDENTITY, 2, EARLIER, 60, held_back=True),
    )
    refused = refusal(namespace, second if further else first)
    assert refused.status == 403, refused


@pytest.mark.usefixtures("without_room")
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(spec=objects(properties("spec"), {"image"}))
def test_whatever_a_resource_may_say_is_known_to_the_api_server(namespace: Namespace, spec: Json) -> None:
    spec.pop("podFailurePolicy", None)  # no part of a pod, and the CRD has a rule of its own for it, in CEL
    assert "strict decoding" not in str(refusal(namespace, manifest.build(values_of(namespace, spec), IDENTITY, 1)))


def test_a_misspelt_field_of_a_conf_ends_the_task_and_is_named(namespace: Namespace) -> None:
    """Without a word about it the container would run as root."""

    async def run() -> Any:
        async with way_into(namespace) as found:
            values = NOWHERE | {"container_security_context": {"runAsNonroot": True}}
            return await Runner(found, IDENTITY, values, Recorder()).run()

    end = asyncio.run(run())
    (attempt,) = end.attempts
    assert attempt["reason"] == "InvalidSpec"
    assert 'unknown field "spec.containers[0].securityContext.runAsNonroot"' in attempt["message"]


def test_a_restarted_runner_finds_the_pod_that_took_the_last_place_of_a_quota(namespace: Namespace) -> None:
    """The API server asks the quota before it looks whether a pod of that name exists."""
    allow(namespace, pods=1)

    async def until_said(log: Recorder, words: str) -> None:
        async with asyncio.timeout(30):
            while not any(words in line for line in log.lines):  # noqa: ASYNC110 (a list that somebody writes)
                await asyncio.sleep(0.05)

    async def run(words: str) -> Recorder:
        log = Recorder()
        async with way_into(namespace) as found:
            running = asyncio.create_task(Runner(found, IDENTITY, NOWHERE, log).run())
            await until_said(log, words)
            running.cancel()
            await asyncio.wait([running])
        return log

    asyncio.run(run("created"))
    (before,) = namespace.items("pods")
    log = asyncio.run(run("found again"))
    (after,) = namespace.items("pods")
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert not any("exceeded quota" in line for line in log.lines)
