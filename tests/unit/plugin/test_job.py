"""What a resource says: that an old status does not speak of a new spec, and what a wait waits for."""

from __future__ import annotations

import pytest
import yaml

from airflow_container_job.reasons import TERMINAL
from kubectl_acj import job as resource
from kubectl_acj.commands import describe
from kubectl_acj.job import GOALS, Json
from kubectl_acj.streaming import names_of
from tests.support.cluster import CRD
from tests.unit.plugin.builders import RUN, job, pod


def test_a_status_of_an_older_spec_is_none() -> None:
    old = job("Succeeded", seen=1, generation=2, reason="Completed")
    assert resource.status(old) == {}
    assert not resource.over(old)
    assert resource.state(old) == "not seen by the operator yet"


@pytest.mark.parametrize(
    ("found", "reached"),
    [
        (job(), set()),
        (job("Pending", reason="Held"), set()),
        (job("Queued", reason="Starting"), set()),
        (job("Queued", reason="Retrying", startTime="2026-11-22T12:00:01Z"), {"running"}),
        (job("Running", reason="Running"), {"running"}),
        (job("Suspended", reason="Stopping"), set()),
        (job("Suspended", reason="Suspended"), {"suspended"}),
        (job("Succeeded", startTime="2026-11-22T12:00:01Z"), {"finished", "running"}),
        (job("Failed", reason="InvalidSpec"), {"finished"}),
    ],
)
def test_goals(found: Json, reached: set[str]) -> None:
    assert {name for name, goal in GOALS.items() if goal(found)} == reached


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (job("Running", reason="Running"), "Running"),
        (job("Succeeded", reason="Completed", exitCode=0), "Succeeded: Completed"),
        (job("Failed", reason="Error", exitCode=3), "Failed: Error, exit code 3"),
    ],
)
def test_state(found: Json, said: str) -> None:
    assert resource.state(found) == said


@pytest.mark.parametrize(
    ("state", "started"),
    [
        (None, False),
        ({"waiting": {"reason": "ContainerCreating"}}, False),
        ({"running": {}}, False),
        ({"running": {"startedAt": "2026-11-22T12:00:01Z"}}, True),
        ({"terminated": {"exitCode": 0, "containerID": "containerd://1"}}, True),
        ({"terminated": {"exitCode": 128, "reason": "StartError"}}, False),
    ],
)
def test_a_log_is_there_once_the_container_has_started(state: Json | None, started: bool) -> None:
    assert resource.started(pod("one", state=state), "base") is started
    assert not resource.started(pod("one", state=state), "other")


def test_pods_of_the_current_run_are_told_oldest_first() -> None:
    second = pod("a", created="2026-11-22T12:00:09Z")
    earlier_run = pod("c", run="acj-x-0")
    assert names_of(job("Running"), [second, pod("b"), earlier_run]) == ["b", "a"]
    assert names_of(job(), [pod("b")]) == []
    assert names_of(job("Running", dagRunId=None), [pod("b")]) == []
    assert job("Running")["status"]["dagRunId"] == RUN


def test_every_field_the_plugin_shows_is_in_the_crd() -> None:
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert set(describe.FIELDS.values()) <= status.keys()
    assert set(TERMINAL) < set(status["phase"]["enum"])
