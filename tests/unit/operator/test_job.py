"""Reading the resource, deciding its run, and the conf made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from airflow_container_job import conf
from airflow_container_job.decision import NOT_EXECUTION, Decision, digest, parse_time
from airflow_container_job.errors import InvalidJob
from airflow_container_job.facts import Facts
from airflow_container_job.job import parse
from airflow_container_job.reconcile import Step, next_step
from dynamic_pod import contract
from tests.unit.operator.builders import NOW, SPEC, UID, job


def decide(generation: int = 7, spec: dict[str, Any] | None = None) -> Decision:
    return Decision.of(UID, generation, SPEC if spec is None else spec, "container_job", NOW)


def test_the_run_id_is_a_function_of_uid_and_generation_only() -> None:
    other = Decision.of(UID, 3, {"image": "other"}, "own", NOW + timedelta(hours=1))
    assert decide(3).dag_run_id == other.dag_run_id == f"acj-{UID}-3"


def test_the_run_id_fits_a_label() -> None:
    assert len(decide(10**9).dag_run_id) <= 63


def test_a_decision_survives_its_annotation() -> None:
    decision = decide(spec=SPEC | {"rerun": "again"})
    assert Decision.load(UID, decision.dump(), {}) == decision


def test_a_decision_that_was_copied_with_another_resource_is_none() -> None:
    assert Decision.load("another", decide().dump(), {}) is None


def annotation(**fields: Any) -> str:
    """That of a decision at generation 3, with these fields as somebody wrote them."""
    return json.dumps(json.loads(decide(3).dump()) | fields)


NO_GENERATIONS: list[Any] = [[], None, "3", True, 0, -1, 1.5, 10**40, float("inf"), float("nan")]
UNREADABLE = ["", "7", "x/abc", "{}", "[]", pytest.param("[" * 100_000, id="deep"), '{"generation": 7}']
UNREADABLE += [annotation(generation=value) for value in NO_GENERATIONS]


@pytest.mark.parametrize("annotation", UNREADABLE)
def test_a_decision_that_somebody_removed_or_overwrote_is_known_from_the_status(annotation: str) -> None:
    decision = Decision.load(UID, annotation, {"dagRunId": f"acj-{UID}-7", "dagId": "own"})
    assert decision is not None
    assert (decision.dag_run_id, decision.generation, decision.dag_id) == (f"acj-{UID}-7", 7, "own")
    assert Decision.load(UID, annotation, {}) is None
    assert Decision.load(UID, annotation, {"dagRunId": "acj-another-7"}) is None
    for odd in ("²", "0", "-1", "9" * 5000):
        assert Decision.load(UID, annotation, {"dagRunId": f"acj-{UID}-{odd}"}) is None


@pytest.mark.parametrize("annotation", UNREADABLE)
def test_a_decision_that_is_lost_before_any_status_is_made_again_for_the_same_run(annotation: str) -> None:
    """So Airflow answers that it has the run already, and nothing runs twice."""
    lost = job(decided=None, about={"annotations": {"acj.dev/run": annotation}})
    assert next_step(lost, Facts(), NOW, timedelta(60)) is Step.ADMIT
    assert Decision.of(UID, lost.generation, lost.spec, "container_job", NOW).dag_run_id == job().decision.dag_run_id  # type: ignore[union-attr]


NO_TIMES = ["", "soon", "2026-11-22", "2026-11-22T12:00:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]


@pytest.mark.parametrize("value", [7, None, [], *NO_TIMES])
def test_a_field_of_a_decision_that_is_not_as_we_write_it_is_lost_alone(value: Any) -> None:
    assert Decision.load(UID, annotation(decidedAt=value), {}) == replace(decide(3), decided_at="")
    if not isinstance(value, str):
        assert Decision.load(UID, annotation(digest=value), {}) == replace(decide(3), digest="")
        assert Decision.load(UID, annotation(rerun=value), {}) == replace(decide(3), rerun="")
        assert Decision.load(UID, annotation(dagId=value), {}) == replace(decide(3), dag_id="")


@pytest.mark.parametrize("text", [None, *NO_TIMES])
def test_a_time_that_cannot_be_counted_with_is_none(text: str | None) -> None:
    assert parse_time(text) is None
    assert parse_time("2026-11-22T12:00:00.000000Z") == NOW


@pytest.mark.parametrize("body", [{}, {"metadata": None}, {"metadata": {"name": "x"}}, {"metadata": []}])
def test_what_is_no_resource_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob):
        parse(body)


def test_the_digest_ignores_order() -> None:
    assert digest({"image": "a", "args": ["1"]}) == digest({"args": ["1"], "image": "a"})
    assert digest({"image": "a"}) != digest({"image": "b"})


@pytest.mark.parametrize("field", sorted(NOT_EXECUTION))
def test_fields_that_change_nothing_of_what_is_executed_run_nothing(field: str) -> None:
    assert digest({"image": "a", field: 1}) == digest({"image": "a"})


def test_a_touched_spec_is_not_a_changed_one() -> None:
    assert not job(generation=2).changed
    assert not job(generation=1, decided_spec={"image": "other"}).changed, "same generation: nothing was edited"
    assert job(generation=2, decided_spec={"image": "other"}).changed


def test_only_a_new_text_in_rerun_asks_for_another_run() -> None:
    one, two = SPEC | {"rerun": "1"}, SPEC | {"rerun": "2"}
    assert not job(generation=2, spec=one, decided_spec=one).rerun
    assert job(generation=2, spec=two, decided_spec=one).rerun
    assert job(generation=2, spec=one, decided_spec=SPEC).rerun
    assert not job(generation=2, spec=SPEC, decided_spec=one).rerun, "taken away"
    assert not job(generation=1, spec=two, decided_spec=one).rerun, "same generation: nothing was edited"


@pytest.mark.parametrize(
    ("about", "tracked", "in_argo_cd"),
    [
        ({}, False, False),
        ({"labels": {"app": "x"}, "annotations": {"note": "x"}}, False, False),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:acj.dev/AirflowContainerJob:a/b"}}, True, True),
        ({"labels": {"app.kubernetes.io/instance": "shop"}}, True, True),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, True, True),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, True, False),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}, True, False),
    ],
)
def test_who_would_make_a_deleted_resource_anew(about: dict[str, Any], *, tracked: bool, in_argo_cd: bool) -> None:
    made = job(decided=None, about=about)
    assert (made.tracked, made.in_argo_cd) == (tracked, in_argo_cd)


def test_every_key_of_conf_that_a_spec_can_set_is_in_the_contract() -> None:
    spec: dict[str, Any] = dict.fromkeys(conf.SPEC_KEYS, 1) | {"podMetadata": {"labels": {}, "annotations": {}}}
    made = conf.build(job(spec=spec | {"podRetention": "Keep"}))
    assert made.keys() == contract.SCHEMAS.keys()


@pytest.mark.parametrize(
    ("retention", "word"), [("Delete", "delete_pod"), ("KeepFailed", "delete_succeeded_pod"), ("Keep", "keep_pod")]
)
def test_the_retention_is_said_in_kubernetes_pod_operators_words(retention: str, word: str) -> None:
    made = conf.build(job(spec=SPEC | {"podRetention": retention}))
    assert made["on_finish_action"] == word
    assert word in contract.SCHEMAS["on_finish_action"]["enum"]


def test_params_of_a_dag_of_ones_own_are_keys_of_conf() -> None:
    made = conf.build(job(spec={"dagId": "own", "params": {"day": "2026-11-22", "deep": {"a": [1]}}}))
    assert (made["day"], made["deep"]) == ("2026-11-22", {"a": [1]})
    assert "docker_image_name" not in made


@pytest.mark.parametrize(("key", "hint"), [("commands", "use spec.command"), ("owner_reference", "owner_reference")])
def test_params_cannot_say_what_a_field_says(key: str, hint: str) -> None:
    with pytest.raises(InvalidJob, match=hint):
        conf.build(job(spec={"dagId": "own", "params": {key: "x"}}))


def test_values_travel_unchanged() -> None:
    spec = {
        "image": "a",
        "args": ["{{ 7*7 }}", "$(VAR)", '"quoted"', "é\n"],
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "securityContext": {"runAsUser": 1},
        "podSecurityContext": {"fsGroup": 2},
    }
    made = conf.build(job(spec=spec))
    assert made["arguments"] == spec["args"]
    assert made["env_vars"] == spec["env"]
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
