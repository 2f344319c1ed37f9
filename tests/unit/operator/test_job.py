"""Reading the resource, deciding its run, and the conf made of it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_container_job import conf
from airflow_container_job.errors import InvalidJob
from airflow_container_job.job import Decision, digest, parse
from dynamic_pod import contract
from tests.unit.operator.builders import NOW, SPEC, UID, job


def test_the_run_id_is_a_function_of_uid_and_generation_only() -> None:
    assert Decision.of(UID, 3, SPEC).dag_run_id == Decision.of(UID, 3, {"image": "other"}).dag_run_id == f"acj-{UID}-3"


def test_the_run_id_fits_a_label() -> None:
    assert len(Decision.of(UID, 10**9, SPEC).dag_run_id) <= 63


def test_a_decision_survives_its_annotation() -> None:
    decision = Decision.of(UID, 7, SPEC)
    assert Decision.load(UID, decision.dump(), "") == decision


@pytest.mark.parametrize("annotation", ["", "7", "x/abc", "7/", "/abc", "²/abc"])
def test_a_decision_that_somebody_removed_or_overwrote_is_known_from_the_status(annotation: str) -> None:
    decision = Decision.load(UID, annotation, f"acj-{UID}-7")
    assert decision is not None
    assert (decision.dag_run_id, decision.generation) == (f"acj-{UID}-7", 7)
    assert Decision.load(UID, annotation, "") is None
    assert Decision.load(UID, annotation, "acj-another-7") is None


@pytest.mark.parametrize("body", [{}, {"metadata": None}, {"metadata": {"name": "x"}}, {"metadata": []}])
def test_what_is_no_resource_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob):
        parse(body)


def test_the_digest_ignores_order_and_what_is_not_executed() -> None:
    assert digest({"image": "a", "args": ["1"]}) == digest({"args": ["1"], "image": "a", "suspend": True})
    assert digest({"image": "a"}) != digest({"image": "b"})


def test_a_touched_spec_is_not_a_changed_one() -> None:
    assert not job(generation=2).changed
    assert not job(generation=1, decided_spec={"image": "other"}).changed, "same generation: nothing was edited"
    assert job(generation=2, decided_spec={"image": "other"}).changed


def test_every_key_of_conf_that_a_spec_can_set_is_in_the_contract() -> None:
    made = conf.build(job(spec=dict.fromkeys(conf.SPEC_KEYS, 1) | {"podMetadata": {"labels": {}, "annotations": {}}}))
    assert made.keys() == contract.SCHEMAS.keys()


def test_values_travel_unchanged() -> None:
    spec = {
        "image": "a",
        "args": ["{{ 7*7 }}", "$(VAR)", '"quoted"', "é\n"],
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "securityContext": {"runAsUser": 1},
        "podSecurityContext": {"fsGroup": 2},
    }
    made = conf.build(job(spec=spec))
    assert made["arguments"] is spec["args"]
    assert made["env_vars"] is spec["env"]
    assert made["container_security_context"] == {"runAsUser": 1}
    assert made["security_context"] == {"fsGroup": 2}


def test_the_pod_belongs_to_the_resource_and_its_namespace() -> None:
    made = conf.build(job())
    assert made["namespace"] == "team-a"
    assert made["owner_reference"]["uid"] == UID


def test_a_deleted_job_knows_since_when() -> None:
    deleted_at = job(deleted="2026-11-22T11:59:00Z").deleted_at
    assert deleted_at is not None
    assert (NOW - deleted_at).total_seconds() == 60
