"""From values to the pod's manifest: every key of conf, what is ours, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from dynamic_pod import contract, manifest
from tests.unit.dynamic_pod.fake_cluster import IDENTITY

NASTY = "{{ 7*7 }} {{ conn.get('x').password }} $(VAR) '\"\\ \n\t ü 🎈 {% raw %}"
OWNER = {
    "apiVersion": "acj.dev/v1alpha1",
    "kind": "AirflowContainerJob",
    "name": "hello",
    "uid": "u-1",
    "controller": True,
}

CASES: dict[str, tuple[Any, str, Any]] = {
    # key of conf: value, path in the manifest, expected there (the value itself unless said)
    "docker_image_name": ("busybox:1.35", "spec.containers.0.image", ...),
    "commands": (["sh", "-c", NASTY], "spec.containers.0.command", ...),
    "arguments": ([NASTY, "", " "], "spec.containers.0.args", ...),
    "env_vars": (
        {"A": NASTY, "B": ""},
        "spec.containers.0.env",
        [{"name": "A", "value": NASTY}, {"name": "B", "value": ""}],
    ),
    "env_from": ([{"secretRef": {"name": "s"}}], "spec.containers.0.envFrom", ...),
    "working_dir": ("/data dir", "spec.containers.0.workingDir", ...),
    "image_pull_policy": ("Never", "spec.containers.0.imagePullPolicy", ...),
    "container_resources": ({"limits": {"cpu": "1"}}, "spec.containers.0.resources", ...),
    "volume_mounts": ([{"name": "v", "mountPath": "/v"}], "spec.containers.0.volumeMounts", ...),
    "container_security_context": ({"runAsUser": 1}, "spec.containers.0.securityContext", ...),
    "volumes": ([{"name": "v", "emptyDir": {}}], "spec.volumes", ...),
    "init_containers": ([{"name": "i", "image": "x"}], "spec.initContainers", ...),
    "service_account_name": ("runner", "spec.serviceAccountName", ...),
    "automount_service_account_token": (True, "spec.automountServiceAccountToken", ...),
    "image_pull_secrets": ([{"name": "s"}], "spec.imagePullSecrets", ...),
    "node_selector": ({"disk": "ssd"}, "spec.nodeSelector", ...),
    "affinity": ({"nodeAffinity": {}}, "spec.affinity", ...),
    "tolerations": ([{"operator": "Exists"}], "spec.tolerations", ...),
    "topology_spread_constraints": ([{"maxSkew": 1}], "spec.topologySpreadConstraints", ...),
    "priority_class_name": ("high", "spec.priorityClassName", ...),
    "runtime_class_name": ("gvisor", "spec.runtimeClassName", ...),
    "schedulername": ("mine", "spec.schedulerName", ...),
    "security_context": ({"fsGroup": 1}, "spec.securityContext", ...),
    "termination_grace_period": (0, "spec.terminationGracePeriodSeconds", ...),
    "namespace": ("team-b", "metadata.namespace", ...),
    "name": ("My Job_1", "metadata.name", manifest.pod_name("My Job_1", IDENTITY, 1)),
    "labels": ({"team": "a"}, "metadata.labels.team", "a"),
    "annotations": ({"note": NASTY}, "metadata.annotations.note", NASTY),
    "owner_reference": (OWNER, "metadata.ownerReferences", [OWNER]),
}
NOT_IN_THE_POD = {"retries", "backoff", "pod_failure_policy", "active_deadline_seconds", "on_finish_action"}
"""Keys the runner acts on."""


def build(attempt: int = 1, earlier: list[dict[str, Any]] | None = None, **values: Any) -> dict[str, Any]:
    merged = manifest.merge({}, {"docker_image_name": "busybox"} | values)
    return manifest.build(merged, IDENTITY, attempt, earlier or [])


def at(document: Any, path: str) -> Any:
    for part in path.split("."):
        document = document[int(part)] if part.isdigit() else document[part]
    return document


def test_the_table_names_every_key() -> None:
    assert set(CASES) | NOT_IN_THE_POD == set(contract.SCHEMAS)


@pytest.mark.parametrize("key", CASES)
def test_each_key_arrives_unchanged(key: str) -> None:
    value, path, expected = CASES[key]
    before = json.dumps(value)
    assert at(build(**{key: value}), path) == (value if expected is ... else expected)
    assert json.dumps(value) == before


@pytest.mark.parametrize("key", CASES)
def test_each_key_may_come_from_the_dag_and_conf_wins(key: str) -> None:
    value, path, expected = CASES[key]
    defaults = {"docker_image_name": "default", key: value}
    wanted = value if expected is ... else expected
    assert at(manifest.build(manifest.merge(defaults, None), IDENTITY, 1), path) == wanted
    merged = manifest.merge({"docker_image_name": "default", key: "something else"}, {key: value})
    assert at(manifest.build(merged, IDENTITY, 1), path) == wanted


def test_env_vars_may_be_a_list_of_kubernetes_own() -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    assert build(env_vars=env)["spec"]["containers"][0]["env"] == env


def test_an_argument_of_100_kib_arrives() -> None:
    text = "é" * 51_200
    assert build(arguments=[text])["spec"]["containers"][0]["args"] == [text]


def test_what_every_pod_has() -> None:
    pod = build()
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["automountServiceAccountToken"] is False
    (container,) = pod["spec"]["containers"]
    assert container == {
        "name": "base",
        "image": "busybox",
        "terminationMessagePath": "/airflow/xcom/return.json",
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    assert pod["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "airflow-container-job",
        "acj.dev/task": IDENTITY.fingerprint,
        "acj.dev/task-instance": IDENTITY.of_all_tries,
        "acj.dev/try": "1",
        "acj.dev/attempt": "1",
    }
    assert pod["metadata"]["annotations"] == {
        "acj.dev/dag-id": "container_job",
        "acj.dev/dag-run-id": "manual",
        "acj.dev/task-id": "run",
    }


def test_nobody_gives_a_pod_labels_that_pass_for_ours() -> None:
    stolen = {"acj.dev/job-uid": "victim", "acj.dev/task": "x", "app.kubernetes.io/managed-by": "me", "mine": "1"}
    labels = build(labels=stolen)["metadata"]["labels"]
    assert labels["mine"] == "1"
    assert labels["acj.dev/task"] == IDENTITY.fingerprint
    assert labels["app.kubernetes.io/managed-by"] == "airflow-container-job"
    assert "acj.dev/job-uid" not in labels
    assert build(labels=stolen, owner_reference=OWNER)["metadata"]["labels"]["acj.dev/job-uid"] == "u-1"
    annotations = build(annotations={"acj.dev/attempts": "[]"})["metadata"]["annotations"]
    assert "acj.dev/attempts" not in annotations


def test_a_pod_records_the_attempts_before_it() -> None:
    earlier = [{"number": 1, "podName": "p-1", "reason": "Error", "message": "x" * 5000, "exitCode": 1}]
    pod = build(attempt=2, earlier=earlier)
    (recorded,) = json.loads(pod["metadata"]["annotations"]["acj.dev/attempts"])
    assert recorded == earlier[0] | {"message": "x" * manifest.MESSAGE_LIMIT}
    assert pod["metadata"]["labels"]["acj.dev/attempt"] == "2"


def test_of_many_attempts_a_pod_records_the_last_messages_and_all_the_rest() -> None:
    """All annotations of an object together hold 256 KiB."""
    earlier = [{"number": n, "cause": "Failure", "message": "\N{SNOWMAN}" * 5000} for n in range(1, 401)]
    text = build(attempt=401, earlier=earlier)["metadata"]["annotations"]["acj.dev/attempts"]
    assert len(text) < 128 * 1024
    recorded = json.loads(text)
    assert [one["number"] for one in recorded] == list(range(1, 401))
    assert [one["number"] for one in recorded if "message" in one] == list(range(391, 401))


def test_a_pod_that_is_held_back_is_taken_by_no_node() -> None:
    values = manifest.merge({}, {"docker_image_name": "busybox"})
    held_back = manifest.build(values, IDENTITY, 2, held_back=True)
    assert held_back["spec"].pop("schedulingGates") == [{"name": "acj.dev/pause"}]
    assert held_back == manifest.build(values, IDENTITY, 2)


@pytest.mark.parametrize("name", ["run", "A_b.C d", "-x-", "ü", "{{ 7*7 }}", "x" * 300, "", "0"])
@pytest.mark.parametrize("attempt", [1, 10, 100_000])
def test_pod_names_are_valid_and_short(name: str, attempt: int) -> None:
    made = manifest.pod_name(name, IDENTITY, attempt)
    assert len(made) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", made)
    assert made.endswith(f"-{attempt}")


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(manifest.Identity)])
def test_every_part_of_the_identity_makes_another_pod(field: str) -> None:
    other: Any = 7 if isinstance(getattr(IDENTITY, field), int) else "other"
    changed = dataclasses.replace(IDENTITY, **{field: other})
    assert changed.fingerprint != IDENTITY.fingerprint
    assert (changed.of_all_tries == IDENTITY.of_all_tries) is (field in {"try_number", "ti_id"})
    assert manifest.pod_name("x", changed, 1) != manifest.pod_name("x", IDENTITY, 1)


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        ({}, ["docker_image_name", "missing"]),
        ({"docker_image_name": ""}, ["docker_image_name", "minLength"]),
        ({"docker_image_name": "x", "commands": "sh -c"}, ["commands", "array"]),
        ({"docker_image_name": "x", "commands": ["sh", 1]}, ["commands[1]", "string"]),
        ({"docker_image_name": "x", "env_vars": {"A": 1}}, ["env_vars['A']", "string"]),
        ({"docker_image_name": "x", "retries": -1}, ["retries", "minimum"]),
        ({"docker_image_name": "x", "image_pull_policy": "Sometimes"}, ["image_pull_policy", "IfNotPresent"]),
        ({"docker_image_name": "x", "owner_reference": {"kind": "A"}}, ["owner_reference", "uid"]),
        (["docker_image_name"], ["JSON object"]),
    ],
)
def test_a_wrong_conf_is_refused_with_key_and_remedy(conf: Any, words: list[str]) -> None:
    with pytest.raises(manifest.InvalidConf) as refused:
        manifest.merge({}, conf)
    for word in words:
        assert word in str(refused.value)


def test_a_refusal_does_not_show_the_value() -> None:
    with pytest.raises(manifest.InvalidConf) as refused:
        manifest.merge({}, {"docker_image_name": "x", "env_vars": {"PASSWORD": ["hunter2"]}})
    assert "hunter2" not in str(refused.value)


def test_null_is_as_if_absent_and_strange_keys_are_not_ours() -> None:
    merged = manifest.merge({"docker_image_name": "x", "name": "n"}, {"name": None, "params": {"a": 1}})
    assert merged == {"docker_image_name": "x", "name": "n"}
    assert manifest.unknown({"name": "n", "argument": [], "params": {}}) == (
        "Keys of conf that mean nothing to this task: argument, params"
    )
    assert manifest.unknown({"name": "n"}) is manifest.unknown(None) is None
    assert manifest.unknown({"limit": 100}, "own") is None, "it may be a Param of that DAG"
