"""From a task's values to the manifest of its pod: pure, and every value travels byte for byte.

Called by the runner, once for each attempt. Refuses a wrong value with InvalidConf, which names the key and never the
value: a conf may hold what nobody should read in a log.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jsonschema
from jsonschema.exceptions import best_match

from dynamic_pod import contract, outcome

NAME_LIMIT: Final = 63
"""Longest pod name that still is a label value and a host name."""

MESSAGE_LIMIT: Final = 1024
"""Characters of an earlier attempt's message that its successor's annotation keeps (all annotations: 256 KiB)."""

MESSAGES_KEPT: Final = 10
"""Of how many earlier attempts."""

VALIDATORS: Final = {key: jsonschema.Draft7Validator(schema) for key, schema in contract.SCHEMAS.items()}
"""Made once: that takes longer than to check most values."""

Json = dict[str, Any]


class InvalidConf(ValueError):
    """The values cannot make a pod; the message says which key, why, and where to put it right."""


class TaskInstance(Protocol):
    """What we need of Airflow's task instance, in a triggerer or in a worker."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int | None
    try_number: int

    @property
    def id(self) -> Any:
        """A UUID, new for each try."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One try of one task instance: what a restarted triggerer knows about its pods."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    ti_id: str
    """Tells apart two DagRuns of one name, the first of which somebody deleted."""

    @classmethod
    def of(cls, ti: TaskInstance) -> Identity:
        """Read the identity from Airflow's task instance."""
        map_index = -1 if ti.map_index is None else ti.map_index
        return cls(ti.dag_id, ti.run_id, ti.task_id, map_index, ti.try_number, str(ti.id))

    def in_airflow(self) -> Json:
        """The task instance in the words of Airflow's XCom."""
        names = ("dag_id", "run_id", "task_id", "map_index")
        return {name: getattr(self, name) for name in names}

    @property
    def fingerprint(self) -> str:
        """The label value that all pods of this try carry, and no other."""
        parts = [self.dag_id, self.run_id, self.task_id, self.map_index, self.try_number, self.ti_id]
        return _hash(parts)

    @property
    def of_all_tries(self) -> str:
        """The label value that the pods of all tries carry."""
        return _hash([self.dag_id, self.run_id, self.task_id, self.map_index])

    @property
    def selector(self) -> str:
        """The label selector that finds the pods of this try."""
        return f"{contract.LABEL_TASK}={self.fingerprint}"

    @property
    def selector_of_all_tries(self) -> str:
        """The label selector that finds the pods of all tries."""
        return f"{contract.LABEL_TASK_INSTANCE}={self.of_all_tries}"


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def merge(defaults: Mapping[str, Any], conf: Mapping[str, Any] | None) -> Json:
    """Lay the DagRun's conf over the values of the DAG, key by key; raises InvalidConf.

    A key that is null is as if absent. Keys of conf that are not the contract's belong to somebody else's DAG.
    """
    if conf is not None and not isinstance(conf, Mapping):
        raise InvalidConf('The DagRun\'s conf must be a JSON object, such as {"docker_image_name": "busybox"}.')
    values = {key: value for key, value in {**defaults, **_given(conf or {})}.items() if value is not None}
    for key in contract.REQUIRED:
        if key not in values:
            raise InvalidConf(f"{key} is missing: give it in the DagRun's conf, or to the operator in the DAG.")
    for key, value in values.items():
        _check(key, value)
    return values


def unknown(conf: Mapping[str, Any] | None, dag_id: str = contract.DAG_ID) -> str | None:
    """A sentence on keys of conf that mean nothing, as misspelt ones do; in a DAG of one's own they may be its own."""
    keys = sorted(set(conf or {}) - set(contract.SCHEMAS))
    if not keys or dag_id != contract.DAG_ID:
        return None
    return f"Keys of conf that mean nothing to this task: {', '.join(keys)}"


def _given(conf: Mapping[str, Any]) -> Json:
    return {key: value for key, value in conf.items() if key in contract.SCHEMAS and value is not None}


def _check(key: str, value: Any) -> None:
    error = best_match(VALIDATORS[key].iter_errors(value))
    if error is None:
        return
    path = "".join(f"[{part!r}]" for part in error.absolute_path)
    raise InvalidConf(
        f"{key}{path} does not fit ({error.validator}: {json.dumps(error.validator_value)}). "
        f"{contract.SCHEMAS[key]['description']} "
        "Put it right in the DagRun's conf, or where the operator is given it in the DAG."
    )


def pod_name(name: str | None, identity: Identity, attempt: int) -> str:
    """Name the pod of an attempt: readable, and the same after every restart.

    In a DAG of one's own the name may be that of the resource that started the run, so the same for all tasks.
    """
    parts = [name or identity.task_id]
    if name and identity.dag_id != contract.DAG_ID and name != identity.task_id:
        parts.append(identity.task_id)
    if identity.map_index >= 0:
        parts.append(str(identity.map_index))
    name = "-".join(parts)
    tail = f"-{identity.fingerprint[:10]}-{attempt}"
    head = re.sub(r"[^a-z0-9]+", "-", name.lower())[: NAME_LIMIT - len(tail)].strip("-")
    return f"{head or 'pod'}{tail}"


def build(  # noqa: PLR0913 (a pod is made of these)
    values: Mapping[str, Any],
    identity: Identity,
    attempt: int,
    earlier: Sequence[Mapping[str, Any]] = (),
    active_deadline: int | None = None,
    *,
    held_back: bool = False,
) -> Json:
    """Make the manifest of one attempt from merged values; `earlier` are the attempts before it.

    A pod that is `held_back` exists, but no node takes it until its scheduling gate is removed.
    """
    spec: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        **_fields(values, contract.POD_FIELDS),
        "containers": [_container(values)],
    }
    if active_deadline is not None:
        spec["activeDeadlineSeconds"] = active_deadline
    if held_back:
        spec["schedulingGates"] = [{"name": outcome.GATE}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(values, identity, attempt, earlier), "spec": spec}


def _container(values: Mapping[str, Any]) -> Json:
    container = {"name": contract.CONTAINER, **_fields(values, contract.CONTAINER_FIELDS)}
    if isinstance(env := container.get("env"), Mapping):
        container["env"] = [{"name": name, "value": value} for name, value in env.items()]
    return {
        **container,
        "terminationMessagePath": contract.RESULT_PATH,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _metadata(
    values: Mapping[str, Any], identity: Identity, attempt: int, earlier: Sequence[Mapping[str, Any]]
) -> Json:
    owner = values.get("owner_reference")
    labels = {
        **_not_ours(values.get("labels", {})),
        contract.LABEL_MANAGED_BY: contract.MANAGER,
        contract.LABEL_TASK: identity.fingerprint,
        contract.LABEL_TASK_INSTANCE: identity.of_all_tries,
        contract.LABEL_TRY: str(identity.try_number),
        contract.LABEL_ATTEMPT: str(attempt),
    }
    annotations = {
        **_not_ours(values.get("annotations", {})),
        contract.ANNOTATION_DAG_ID: identity.dag_id,
        contract.ANNOTATION_DAG_RUN_ID: identity.run_id,
        contract.ANNOTATION_TASK_ID: identity.task_id,
    }
    if earlier:
        annotations[contract.ANNOTATION_ATTEMPTS] = json.dumps(_recorded(earlier))
    metadata: Json = {
        "name": pod_name(values.get("name"), identity, attempt),
        "labels": labels,
        "annotations": annotations,
    }
    if "namespace" in values:
        metadata["namespace"] = values["namespace"]
    if owner is not None:
        labels[contract.LABEL_JOB_UID] = owner["uid"]
        metadata["ownerReferences"] = [owner]
    return metadata


def _fields(values: Mapping[str, Any], names: Mapping[str, str]) -> Json:
    return {field: values[key] for key, field in names.items() if key in values}


def _not_ours(given: Mapping[str, str]) -> dict[str, str]:
    """Drop what would pass for ours: labels decide whose pod it is."""
    return {key: value for key, value in given.items() if not key.startswith(f"{contract.PREFIX}/")}


def _recorded(attempts: Sequence[Mapping[str, Any]]) -> list[Json]:
    """The attempts as small as their number asks for: the last messages, each with its end."""
    with_message = {one["number"] for one in attempts[-MESSAGES_KEPT:]}
    return [
        {
            key: value[-MESSAGE_LIMIT:] if key == "message" else value
            for key, value in one.items()
            if key != "message" or one["number"] in with_message
        }
        for one in attempts
    ]
