"""Which node a pod gets, on two nodes: labels, affinity, taints and tolerations decide."""

from __future__ import annotations

from typing import Any

from tests.support.cluster import Json, Namespace
from tests.support.jobs import ended, job, until_phase
from tests.support.wait import stays
from tests.support.worker import MARK, Worker

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def where(name: str, **spec: Any) -> Json:
    """A job whose result is the node it ran on."""
    env = [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    return job(name, 'echo "\\"$NODE\\"" > /airflow/xcom/return.json', env=env, **spec)


def needs(key: str, *values: str) -> Json:
    expression: Json = {"key": key, "operator": "In", "values": list(values)} if values else {"key": key}
    terms = [{"matchExpressions": [{"operator": "Exists"} | expression]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def test_labels_taints_and_what_tolerates_them(worker: Worker, namespace: Namespace) -> None:
    red = {"key": MARK, "operator": "Equal", "value": "red", "effect": "NoSchedule"}
    with worker.marked("red"):
        namespace.apply(
            where("kept-away", nodeSelector={MARK: "red"}),
            where("selected", nodeSelector={MARK: "red"}, tolerations=[red]),
            where("attracted", affinity=needs(MARK, "red"), tolerations=[red]),
            where(
                "elsewhere", affinity=needs(CONTROL_PLANE), tolerations=[{"key": CONTROL_PLANE, "operator": "Exists"}]
            ),
        )
        assert ended(namespace, "selected")["result"] == worker.name
        assert ended(namespace, "attracted")["result"] == worker.name
        assert "control-plane" in ended(namespace, "elsewhere")["result"]
        waiting = until_phase(namespace, "kept-away", "Queued", reason="Unschedulable")
        assert "taint" in waiting["message"]
        stays("it waits", lambda: namespace.status("kept-away")["phase"] == "Queued", 2)
    # Without the taint it could run, without the label it cannot: let it go, too.
    namespace.patch("kept-away", nodeSelector=None)
    assert ended(namespace, "kept-away")["result"] == worker.name
