"""What is remembered of what others report, and who is believed. Steps are tested against a real API server."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any, cast

import pytest

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.controller import Controller
from airflow_container_job.facts import DagRun
from airflow_container_job.line import Line
from airflow_container_job.memory import Memory, owner_of, slim
from airflow_container_job.observer import Observer
from airflow_container_job.status import Links
from dynamic_pod import outcome
from tests.unit.operator.builders import UID, body_of, ended, job, pod, recorded, run_id, running


@pytest.fixture
def memory() -> Memory:
    """That of a controller that nobody runs: it has nobody to talk to."""
    airflow, cluster = cast("AirflowApi", None), cast("ClusterApi", None)
    observer = Observer(airflow, "container_job", 60)
    return Controller(airflow, cluster, observer, Links("container_job", ""), timedelta(60), 1, Line(1000, None)).memory


def test_nothing_is_kept_of_a_resource_and_its_pods_once_all_are_gone(memory: Memory) -> None:
    memory.pod_seen(running(), gone=False)
    assert memory._known
    memory.pod_seen(ended(0), gone=True)
    memory.pod_seen(ended(0), gone=True)
    assert not memory._known


def test_a_pod_that_only_copied_the_label_belongs_to_nobody(memory: Memory) -> None:
    copy = running()
    copy["metadata"]["ownerReferences"] = [{"uid": "another"}]
    assert owner_of(copy) is None
    memory.pod_seen(copy, gone=False)
    assert not memory._known


def test_a_pod_with_odd_labels_is_taken_in_like_another(memory: Memory) -> None:
    """Whoever may create pods writes them, and owns them by any resource of theirs."""
    odd = pod()
    odd["metadata"]["labels"]["acj.dev/attempt"] = "x"

    async def scenario() -> None:
        memory.pod_seen(odd, gone=False)
        memory.job_seen(body_of(job(status=recorded("Queued", "Starting"))))
        memory.pod_seen(odd | {"status": {"phase": "Running"}}, gone=False)
        memory.run_seen(UID, DagRun(run_id(), "running"))

    asyncio.run(scenario())
    assert memory._known[UID].facts.run == DagRun(run_id(), "running")


def test_a_resource_with_an_odd_decision_is_looked_at(memory: Memory) -> None:
    body = body_of(job())
    annotations = body["metadata"]["annotations"]
    annotations["acj.dev/run"] = json.dumps(json.loads(annotations["acj.dev/run"]) | {"decidedAt": "soon"})
    memory.job_seen(body)
    assert looks(memory) == 1


def looks(memory: Memory) -> int:
    """Jobs that wait for a worker."""
    return cast("Controller", memory._listener).to_look_at


def test_a_pod_that_says_nothing_new_brings_no_look(memory: Memory) -> None:
    """Of most changes of a pod nothing is read: its conditions alone move three times before it runs."""

    async def scenario() -> list[int]:
        memory.job_seen(body_of(job(status=recorded("Queued", "Starting"))))
        found = []
        ready = [{"type": "Ready", "status": "False"}]
        unschedulable = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
        told: list[tuple[dict[str, Any], bool]] = [
            (pod("Pending"), False),
            (pod("Pending", conditions=ready), False),
            (pod("Pending", conditions=[*ready, *unschedulable]), False),
            (ended(0), False),
            (ended(0) | {"spec": {"schedulingGates": [{"name": "x"}]}}, False),
            (ended(0), True),
            (ended(0), False),
        ]
        queue = cast("Controller", memory._listener)._queue
        for one, gone in told:
            one["metadata"]["name"] = one["metadata"]["uid"] = "p"
            while looks(memory):
                queue.done(await queue.get())
            memory.pod_seen(one, gone)
            found.append(looks(memory))
        return found

    assert asyncio.run(scenario()) == [1, 0, 1, 1, 0, 1, 1]


def test_nothing_is_kept_of_pods_that_are_gone_once_the_end_is_recorded_and_the_resource_let_go(memory: Memory) -> None:
    end = recorded("Succeeded", "Completed", state="success")

    async def scenario() -> None:
        memory.pod_seen(pod("Failed"), gone=True)
        memory.pod_seen(pod(attempt=2), gone=False)
        memory.job_seen(body_of(job(status=recorded("Running", "Running", state="running"))))
        memory.pod_seen(pod("Failed"), gone=True)
        held, let_go = body_of(job(status=end)), body_of(job(status=end, held=False))
        for version, body in ((101, held), (102, let_go)):
            assert len(memory._known[UID].facts.pods) == 2
            body["metadata"]["resourceVersion"] = str(version)
            memory.job_seen(body)

    asyncio.run(scenario())
    facts = memory._known[UID].facts
    assert list(facts.pods) == ["uid-of-hello-abc-2"]
    asyncio.run(gone_from_the_list(memory))
    assert not facts.pods
    assert not facts.gone


async def gone_from_the_list(memory: Memory) -> None:
    memory.pods_listed("team-a", set())


def test_a_pod_without_a_resource_that_a_list_lacks_is_forgotten(memory: Memory) -> None:
    memory.pod_seen(running(), gone=False)
    memory.pods_listed("another", set())
    assert memory._known
    memory.pods_listed("team-a", set())
    assert not memory._known


def test_pods_are_known_once_each_namespace_was_listed() -> None:
    """However often one of them is."""
    nobody = cast("Any", None)
    memory = Memory(nobody, nobody, nobody, watched=2)
    memory.pods_listed("team-a", set())
    memory.pods_listed("team-a", set())
    assert not memory.pods_known.is_set()
    memory.pods_listed("team-b", set())
    assert memory.pods_known.is_set()


def test_a_pod_belongs_to_the_resource_that_label_and_owner_name() -> None:
    assert owner_of(running()) == UID


def test_of_a_pod_that_has_ended_the_first_word_counts(memory: Memory) -> None:
    """Once it is over, the kubelet moves the time of its deletion, and it would no longer look stopped by it."""
    memory.pod_seen(ended(137), gone=False)
    later = ended(137)
    later["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    memory.pod_seen(later, gone=False)
    (pod,) = memory._known[UID].facts.pods.values()
    assert "deletionTimestamp" not in pod["metadata"]


def test_a_pod_keeps_the_gates_that_hold_it_back() -> None:
    gates = [{"name": "acj.dev/pause"}]
    assert slim(running() | {"spec": {"schedulingGates": gates, "containers": []}})["spec"] == {
        "schedulingGates": gates
    }


def test_a_run_that_is_reported_before_its_resource_is_not_forgotten(memory: Memory) -> None:
    """As after the operator's own start: what somebody marked while it was away is told once only."""
    finished = job(status=recorded("Succeeded", "Completed", state="success"), held=False)

    async def scenario() -> None:
        memory.run_seen(UID, DagRun(run_id(), "failed"))
        memory.job_seen(body_of(finished))

    asyncio.run(scenario())
    assert memory._known[UID].facts.doubted
    assert not memory._strangers


def test_an_answer_that_comes_after_the_last_event_brings_nothing_back(memory: Memory) -> None:
    """The finalizer taken off, the API server may tell the watch first that the resource is gone."""
    running_job = job(status=recorded("Running", "Running", state="running"), deleted="2026-11-22T12:00:00Z")

    async def scenario() -> None:
        memory.job_seen(body_of(running_job))
        memory.job_gone(UID)
        let_go = body_of(running_job)
        let_go["metadata"] |= {"finalizers": [], "resourceVersion": "101", "deletionTimestamp": "2026-11-22T12:00:00Z"}
        memory.job_seen(let_go)

    asyncio.run(scenario())
    assert not memory._known
    assert memory.resources == 0


def test_a_resource_deleted_by_hand_is_not_revived_by_the_answer_to_a_write(memory: Memory) -> None:
    finished = job(status=recorded("Succeeded", "Completed", state="success"), held=False)

    async def scenario() -> None:
        memory.job_seen(body_of(finished))
        memory.job_gone(UID)
        answer = body_of(finished)
        answer["metadata"]["resourceVersion"] = "101"
        assert memory.has(answer)
        memory.job_seen(answer)

    asyncio.run(scenario())
    assert memory.resources == 0


def test_a_pod_keeps_what_tells_a_deletion_from_a_failure() -> None:
    """Exit code 143, a second after somebody asked for its deletion with 30 s of grace: that was no failure."""
    terminated = ended(143)
    terminated["metadata"] |= {"deletionTimestamp": "2026-11-22T11:59:59Z", "deletionGracePeriodSeconds": 30}
    assert outcome.attempt(slim(terminated)) == outcome.attempt(terminated)
    assert outcome.attempt(slim(terminated))["reason"] == "PodDeleted"


def test_a_late_word_on_an_earlier_pod_is_no_end_of_the_newest(memory: Memory) -> None:
    async def scenario() -> None:
        first = pod("Failed", state={"terminated": {"exitCode": 1, "finishedAt": "2026-11-22T11:58:30Z"}})
        second = pod(attempt=2, state={"running": {"startedAt": "2026-11-22T11:59:00Z"}})
        for one in (first, second):
            memory.pod_seen(one, gone=False)
        memory.job_seen(body_of(job(status=recorded("Running", "Running", state="running"))))
        memory.run_seen(UID, DagRun(run_id(), "running"))
        memory.pod_seen(first, gone=True)

    asyncio.run(scenario())
    assert memory._observer._followed.tasks.since(run_id()) is None


def test_of_a_run_whose_container_is_known_to_run_nothing_is_expected_when_airflow_lists_it(memory: Memory) -> None:
    """As after the operator's own start: else Airflow would be asked for its end as long as the container runs."""

    async def scenario() -> None:
        memory.pod_seen(running(), gone=False)
        memory.job_seen(body_of(job(status=recorded("Running", "Running", state="running"))))
        memory.run_seen(UID, DagRun(run_id(), "running"))

    asyncio.run(scenario())
    assert run_id() in memory._observer._followed
    assert memory._observer._followed.tasks.since(run_id()) is None


def refusal(at: str, message: str) -> dict[str, Any]:
    return {"involvedObject": {"uid": UID}, "message": message, "lastTimestamp": at}


def test_a_refusal_that_is_listed_before_its_resource_is_kept_and_the_newest_counts(memory: Memory) -> None:
    memory.refusal_seen(refusal("2026-11-22T11:59:00Z", "exceeded quota: pods"), gone=False)
    memory.refusal_seen(refusal("2026-11-22T11:58:00Z", "denied by a webhook"), gone=False)
    memory.job_seen(body_of(job(status=recorded("Queued", "QuotaExceeded"))))
    refused = memory._known[UID].facts.refused
    assert refused is not None
    assert refused.reason == "QuotaExceeded"


def test_a_refusal_of_the_year_0_is_taken_in_without_its_time(memory: Memory) -> None:
    memory.refusal_seen(refusal("0000-01-01T00:00:00Z", "no"), gone=False)
    refused = memory._known[UID].facts.refused
    assert refused is not None
    assert refused.at is None


def test_a_refusal_of_a_resource_that_is_gone_is_forgotten_with_its_event(memory: Memory) -> None:
    memory.refusal_seen(refusal("2026-11-22T11:59:00Z", "exceeded quota: pods"), gone=False)
    memory.refusal_seen(refusal("2026-11-22T11:59:00Z", "exceeded quota: pods"), gone=True)
    assert not memory._known
