"""What the controller remembers, and whom it believes. Its steps are tested against a real API server."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.controller import Controller, owner_of, slim
from airflow_container_job.observer import Observer
from airflow_container_job.status import Links
from tests.unit.operator.builders import UID, ended, running


@pytest.fixture
def controller() -> Controller:
    """One that nobody runs: it has nobody to talk to."""
    airflow, cluster = cast("AirflowApi", None), cast("ClusterApi", None)
    observer = Observer(airflow, 60)
    return Controller(airflow, cluster, observer, Links("container_job", ""), timedelta(60), watched=1)


def test_nothing_is_kept_of_a_resource_and_its_pods_once_all_are_gone(controller: Controller) -> None:
    controller.pod_seen(running(), gone=False)
    assert controller._known
    controller.pod_seen(ended(0), gone=True)
    controller.pod_seen(ended(0), gone=True)
    assert not controller._known


def test_a_pod_that_only_copied_the_label_belongs_to_nobody(controller: Controller) -> None:
    copy = running()
    copy["metadata"]["ownerReferences"] = [{"uid": "another"}]
    assert owner_of(copy) is None
    controller.pod_seen(copy, gone=False)
    assert not controller._known


def test_a_pod_belongs_to_the_resource_that_label_and_owner_name() -> None:
    assert owner_of(running()) == UID


def test_of_a_pod_that_has_ended_the_first_word_counts(controller: Controller) -> None:
    """Once it is over, the kubelet moves the time of its deletion, and it would no longer look stopped by it."""
    controller.pod_seen(ended(137), gone=False)
    later = ended(137)
    later["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    controller.pod_seen(later, gone=False)
    (pod,) = controller._known[UID].facts.pods.values()
    assert "deletionTimestamp" not in pod["metadata"]


def test_a_pod_keeps_the_gates_that_hold_it_back() -> None:
    gates = [{"name": "acj.dev/pause"}]
    assert slim(running() | {"spec": {"schedulingGates": gates, "containers": []}})["spec"] == {
        "schedulingGates": gates
    }
