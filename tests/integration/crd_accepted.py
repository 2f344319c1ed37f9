"""What the API server takes, by the constraint it satisfies: fields of the spec laid over a small one, and statuses."""

from __future__ import annotations

from typing import Any

from tests.support.cluster import Json


def codes(action: str = "FailJob", **about: Any) -> Json:
    """A rule about exit codes."""
    return {"action": action, "onExitCodes": {"operator": "In", "values": [1]} | about}


def conditioned(**condition: str) -> Json:
    """A rule about a condition."""
    return {"action": "Ignore", "onPodConditions": [condition]}


ACCEPTED: dict[str, Json] = {
    "nothing but an image": {"command": None},
    "the longest image": {"image": "i" * 1024},
    "no pull": {"imagePullPolicy": "Never"},
    "no arguments": {"args": []},
    "a hundred KiB of arguments": {"args": ["x" * 1024] * 100},
    "quantities as numbers and texts": {"resources": {"limits": {"cpu": 1, "memory": "1e9", "x/y": "3Ei"}}},
    "a port by name": {
        "initContainers": [{"name": "i", "image": "i", "readinessProbe": {"tcpSocket": {"port": "web"}}}]
    },
    "a port by number": {
        "initContainers": [{"name": "i", "image": "i", "readinessProbe": {"tcpSocket": {"port": 80}}}]
    },
    "the same port with two protocols": {
        "initContainers": [
            {"name": "i", "image": "i", "ports": [{"containerPort": 1}, {"containerPort": 1, "protocol": "UDP"}]}
        ]
    },
    "no grace": {"terminationGracePeriodSeconds": 0},
    "an empty label": {"podMetadata": {"labels": {"a": ""}}},
    "any annotation": {"podMetadata": {"annotations": {"a": "{{ x }}\n" * 100}}},
    "a hundred retries": {"backoffLimit": 100},
    "a second": {"activeDeadlineSeconds": 1},
    "the longest deadline": {"activeDeadlineSeconds": 2**31 - 1},
    "a second to start": {"startDeadlineSeconds": 1},
    "the longest time to start": {"startDeadlineSeconds": 2**31 - 1},
    "no pause": {"backoff": {"initialSeconds": 0, "factor": 1, "capSeconds": 0}},
    "the longest pause": {"backoff": {"initialSeconds": 2**31 - 1, "factor": 10, "capSeconds": 2**31 - 1}},
    "some of the pause": {"backoff": {"factor": 3}},
    "shut down": {"shutdown": "Stop"},
    "gone at once": {"ttlSecondsAfterFinished": 0},
    "gone after long": {"ttlSecondsAfterFinished": 2**31 - 1},
    "run once": {"rerunPolicy": "Never"},
    "run on change": {"rerunPolicy": "OnSpecChange"},
    "the shortest rerun": {"rerun": "1"},
    "the longest rerun": {"rerun": "ü" * 253},
    "pods deleted": {"podRetention": "Delete"},
    "failed pods kept": {"podRetention": "KeepFailed"},
    "pods kept": {"podRetention": "Keep"},
    "the lowest priority": {"priority": -(2**31)},
    "the highest priority": {"priority": 2**31 - 1},
    "an own DAG without an image": {"image": None, "command": None, "dagId": "own"},
    "an own DAG with an image": {"dagId": "Own.dag_1-x"},
    "the longest DAG": {"dagId": "d" * 250},
    "params of any kind": {"dagId": "own", "params": {"a": [{"b": None}, 1.5, True], "c d": {"": "{{ x }}"}}},
    "no params": {"dagId": "own", "params": {}},
    "no rules": {"podFailurePolicy": {"rules": []}},
    "twenty rules": {"podFailurePolicy": {"rules": [codes()] * 20}},
    "all exit codes": {"podFailurePolicy": {"rules": [codes(values=[*range(1, 256)])]}},
    "all but success": {"podFailurePolicy": {"rules": [codes(operator="NotIn", values=[0])]}},
    "the main container's codes": {"podFailurePolicy": {"rules": [codes(containerName="base")]}},
    "an init container's codes": {
        "initContainers": [{"name": "i", "image": "i"}],
        "podFailurePolicy": {"rules": [codes(containerName="i")]},
    },
    "a condition": {"podFailurePolicy": {"rules": [conditioned(type="DisruptionTarget")]}},
    "a condition that is not": {"podFailurePolicy": {"rules": [conditioned(type="Own", status="False")]}},
    "a hundred init containers": {"initContainers": [{"name": f"i{n}", "image": "i"} for n in range(100)]},
}

CONDITION = {
    "type": "Finished",
    "status": "True",
    "reason": "Completed",
    "message": "",
    "lastTransitionTime": "2026-11-22T10:00:00Z",
}

STATUS_ACCEPTED: dict[str, Json] = {
    "all fields": {
        "phase": "Failed",
        "reason": "Error",
        "message": "m",
        "observedGeneration": 1,
        "conditions": [CONDITION, CONDITION | {"type": "Succeeded", "status": "False"}],
        "dagId": "container_job",
        "dagRunId": "r",
        "dagRunState": "failed",
        "dagRunUrl": "http://127.0.0.1/dags/container_job/runs/r",
        "podName": "p",
        "attempt": 2,
        "attempts": [
            {"number": 1, "podName": "p-1", "reason": "Evicted", "cause": "Disruption"},
            {
                "number": 2,
                "podName": "p-2",
                "reason": "Error",
                "cause": "Failure",
                "message": "m",
                "exitCode": 3,
                "startedAt": "2026-11-22T10:00:00Z",
                "finishedAt": "2026-11-22T10:00:01.5+00:00",
            },
        ],
        "exitCode": 3,
        "result": {"any": ["thing", {"deep": None}]},
        "startTime": "2026-11-22T10:00:00Z",
        "completionTime": "2026-11-22T10:00:01Z",
        "runs": [
            {"number": 7},
            {
                "number": 8,
                "dagRunId": "r",
                "phase": "Failed",
                "reason": "Error",
                "exitCode": 3,
                "attempts": 2,
                "startTime": "2026-11-22T10:00:00Z",
                "completionTime": "2026-11-22T10:00:01Z",
            },
        ],
    },
    "a cause that counts for nothing": {"attempts": [{"number": 1, "cause": "Ignored"}]},
    "a result that is text": {"result": "text"},
    "a result that is a number": {"result": 4.5},
    "a result that is false": {"result": False},
    "a result that is a list": {"result": [1, [2], {}]},
    "a result that is empty": {"result": {}},
}
