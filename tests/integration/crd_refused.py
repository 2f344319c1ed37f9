"""What the API server refuses, by the constraint it breaks, each with words of the refusal."""

from __future__ import annotations

from tests.integration.crd_accepted import CONDITION, codes, conditioned
from tests.support.cluster import Json

REFUSED: dict[str, tuple[Json, str]] = {
    # required, and lengths
    "neither image nor DAG": ({"image": None}, "spec.image: Required value: name the image to run"),
    "an empty image": ({"image": ""}, "spec.image: Invalid value"),
    "too long an image": ({"image": "i" * 1025}, "spec.image: Too long"),
    "too long a folder": ({"workingDir": "/" * 4097}, "spec.workingDir: Too long"),
    "a variable without a name": ({"env": [{"value": "x"}]}, "spec.env[0].name: Required value"),
    "a secret's key without the secret": (
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}]},
        "spec.env[0].valueFrom.secretKeyRef.name: Required value",
    ),
    "an init container without an image": (
        {"initContainers": [{"name": "i"}]},
        "spec.initContainers[0].image: Required",
    ),
    "an init container with an empty image": (
        {"initContainers": [{"name": "i", "image": ""}]},
        "spec.initContainers[0].image: Invalid value",
    ),
    "a pull secret without a name": ({"imagePullSecrets": [{}]}, "spec.imagePullSecrets[0].name: Required value"),
    # misspelt, at every depth
    "a misspelt field": ({"imagee": "x"}, 'unknown field "spec.imagee"'),
    "a misspelt field of a list": ({"env": [{"name": "A", "valu": "x"}]}, 'unknown field "spec.env[0].valu"'),
    "a misspelt field of a volume": (
        {"volumes": [{"name": "v", "configMap": {"name": "m", "nam": "m"}}]},
        'unknown field "spec.volumes[0].configMap.nam"',
    ),
    "a misspelt field of an affinity": (
        {"affinity": {"nodeAffinity": {"x": []}}},
        'unknown field "spec.affinity.nodeAffinity.x"',
    ),
    "a misspelt field deep below": (
        {
            "volumes": [
                {
                    "name": "v",
                    "ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {}, "request": {}}}}},
                }
            ]
        },
        'unknown field "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.request"',
    ),
    "metadata that no claim takes": (
        {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "n"}, "spec": {}}}}]},
        'unknown field "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name"',
    ),
    "a misspelt field of an init container": (
        {"initContainers": [{"name": "i", "image": "i", "livenessProbe": {"exec": {"cmd": []}}}]},
        'unknown field "spec.initContainers[0].livenessProbe.exec.cmd"',
    ),
    "a misspelt field of the security context": (
        {"securityContext": {"seccompProfile": {"type": "Unconfined", "kind": "x"}}},
        'unknown field "spec.securityContext.seccompProfile.kind"',
    ),
    "a misspelt group of the pod's metadata": (
        {"podMetadata": {"label": {}}},
        'unknown field "spec.podMetadata.label"',
    ),
    "a namespace of its own": ({"namespace": "other"}, 'unknown field "spec.namespace"'),
    "the host's network": ({"hostNetwork": True}, 'unknown field "spec.hostNetwork"'),
    "a misspelt field of a pause": ({"backoff": {"initial": 1}}, 'unknown field "spec.backoff.initial"'),
    "a misspelt field of a rule": (
        {"podFailurePolicy": {"rules": [codes() | {"onExitCode": {}}]}},
        'unknown field "spec.podFailurePolicy.rules[0].onExitCode"',
    ),
    "a misspelt field of exit codes": (
        {"podFailurePolicy": {"rules": [codes(value=[1])]}},
        'unknown field "spec.podFailurePolicy.rules[0].onExitCodes.value"',
    ),
    "a misspelt field of a condition": (
        {"podFailurePolicy": {"rules": [conditioned(type="a", state="True")]}},
        'unknown field "spec.podFailurePolicy.rules[0].onPodConditions[0].state"',
    ),
    # wrong types
    "a command as text": ({"command": "true"}, "spec.command: Invalid value"),
    "a number as a variable": ({"env": [{"name": "A", "value": 5}]}, "spec.env[0].value: Invalid value"),
    "variables as a map": ({"env": {"A": "b"}}, 'unknown field "spec.env.A"'),
    "a truth as text": ({"suspend": "yes"}, "spec.suspend: Invalid value"),
    "a count as text": ({"backoffLimit": "3"}, "spec.backoffLimit: Invalid value"),
    "a number as a label": ({"podMetadata": {"labels": {"a": 1}}}, "spec.podMetadata.labels.a: Invalid value"),
    "a port of the wrong type": (
        {"initContainers": [{"name": "i", "image": "i", "readinessProbe": {"tcpSocket": {"port": True}}}]},
        "spec.initContainers[0].readinessProbe.tcpSocket.port: Invalid value",
    ),
    # words and patterns
    "an unknown pull policy": ({"imagePullPolicy": "Sometimes"}, "spec.imagePullPolicy: Unsupported value"),
    "an unknown effect": (
        {"tolerations": [{"operator": "Exists", "effect": "NoRun"}]},
        "spec.tolerations[0].effect: Unsupported value",
    ),
    "an unknown operator": (
        {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "Like"}]}]
                    }
                }
            }
        },
        "nodeSelectorTerms[0].matchExpressions[0].operator: Unsupported value",
    ),
    "a quantity in words": ({"resources": {"limits": {"cpu": "lots"}}}, "spec.resources.limits.cpu: Invalid value"),
    "a label that is none": ({"podMetadata": {"labels": {"a": "b c"}}}, "spec.podMetadata.labels.a: Invalid value"),
    "too long a label": ({"podMetadata": {"labels": {"a": "b" * 64}}}, "spec.podMetadata.labels.a: Too long"),
    # numbers
    "a negative grace": ({"terminationGracePeriodSeconds": -1}, "spec.terminationGracePeriodSeconds: Invalid value"),
    "a negative count": ({"backoffLimit": -1}, "spec.backoffLimit: Invalid value"),
    "too many retries": ({"backoffLimit": 101}, "spec.backoffLimit: Invalid value"),
    "half a retry": ({"backoffLimit": 1.5}, "spec.backoffLimit: Invalid value"),
    "no time at all": ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds: Invalid value"),
    "more time than a pod can have": ({"activeDeadlineSeconds": 2**31}, "spec.activeDeadlineSeconds: Invalid value"),
    "no time to start": ({"startDeadlineSeconds": 0}, "spec.startDeadlineSeconds: Invalid value"),
    "too much time to start": ({"startDeadlineSeconds": 2**31}, "spec.startDeadlineSeconds: Invalid value"),
    "a negative pause": ({"backoff": {"initialSeconds": -1}}, "spec.backoff.initialSeconds: Invalid value"),
    "too long a pause": ({"backoff": {"initialSeconds": 2**31}}, "spec.backoff.initialSeconds: Invalid value"),
    "a factor that shrinks": ({"backoff": {"factor": 0}}, "spec.backoff.factor: Invalid value"),
    "a factor that explodes": ({"backoff": {"factor": 11}}, "spec.backoff.factor: Invalid value"),
    "a broken factor": ({"backoff": {"factor": 1.5}}, "spec.backoff.factor: Invalid value"),
    "a negative cap": ({"backoff": {"capSeconds": -1}}, "spec.backoff.capSeconds: Invalid value"),
    "too high a cap": ({"backoff": {"capSeconds": 2**31}}, "spec.backoff.capSeconds: Invalid value"),
    "gone before its end": ({"ttlSecondsAfterFinished": -1}, "spec.ttlSecondsAfterFinished: Invalid value"),
    "gone too late": ({"ttlSecondsAfterFinished": 2**31}, "spec.ttlSecondsAfterFinished: Invalid value"),
    "too low a priority": ({"priority": -(2**31) - 1}, "spec.priority: Invalid value"),
    "too high a priority": ({"priority": 2**31}, "spec.priority: Invalid value"),
    # the life of the job
    "an unknown shutdown": ({"shutdown": "Terminate"}, 'spec.shutdown: Unsupported value: "Terminate"'),
    "an unknown rerun policy": ({"rerunPolicy": "Always"}, "spec.rerunPolicy: Unsupported value"),
    "an unknown retention": ({"podRetention": "Forever"}, "spec.podRetention: Unsupported value"),
    "an empty rerun": ({"rerun": ""}, "spec.rerun: Invalid value"),
    "too long a rerun": ({"rerun": "x" * 254}, "spec.rerun: Too long"),
    "a number as rerun": ({"rerun": 2}, "spec.rerun: Invalid value"),
    # a DAG of one's own
    "an empty DAG": ({"dagId": ""}, "spec.dagId: Invalid value"),
    "a DAG with a space": ({"dagId": "my dag"}, "spec.dagId: Invalid value"),
    "a DAG with a slash": ({"dagId": "a/b"}, "spec.dagId: Invalid value"),
    "too long a DAG": ({"dagId": "d" * 251}, "spec.dagId: Too long"),
    "params without a DAG": ({"params": {"a": 1}}, "spec.params: Forbidden: params are for a DAG of one's own"),
    "params as a list": ({"dagId": "own", "params": [1]}, "spec.params: Invalid value"),
    # the policy for failures
    "a policy without rules": ({"podFailurePolicy": {}}, "spec.podFailurePolicy.rules: Required value"),
    "too many rules": ({"podFailurePolicy": {"rules": [codes()] * 21}}, "spec.podFailurePolicy.rules: Too many"),
    "a rule without an action": (
        {"podFailurePolicy": {"rules": [{"onExitCodes": {"operator": "In", "values": [1]}}]}},
        "spec.podFailurePolicy.rules[0].action: Required value",
    ),
    "an action for indexed Jobs": (
        {"podFailurePolicy": {"rules": [codes("FailIndex")]}},
        'spec.podFailurePolicy.rules[0].action: Unsupported value: "FailIndex"',
    ),
    "a rule about nothing": (
        {"podFailurePolicy": {"rules": [codes(), {"action": "Ignore"}]}},
        'spec.podFailurePolicy.rules[1]: Invalid value: "object": a rule has either onExitCodes or onPodConditions',
    ),
    "a rule about both": (
        {"podFailurePolicy": {"rules": [codes() | conditioned(type="a")]}},
        'spec.podFailurePolicy.rules[0]: Invalid value: "object": a rule has either onExitCodes or onPodConditions',
    ),
    "success as a failure": (
        {"podFailurePolicy": {"rules": [codes(values=[0, 1])]}},
        'rules[0].onExitCodes.values: Invalid value: "object": with operator In, values cannot hold 0',
    ),
    "no exit codes": (
        {"podFailurePolicy": {"rules": [codes(values=[])]}},
        "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value",
    ),
    "too many exit codes": (
        {"podFailurePolicy": {"rules": [codes(values=[*range(1, 257)])]}},
        "spec.podFailurePolicy.rules[0].onExitCodes.values: Too many",
    ),
    "an exit code twice": (
        {"podFailurePolicy": {"rules": [codes(values=[1, 1])]}},
        "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Duplicate value",
    ),
    "exit codes compared otherwise": (
        {"podFailurePolicy": {"rules": [codes(operator="Gt")]}},
        "spec.podFailurePolicy.rules[0].onExitCodes.operator: Unsupported value",
    ),
    "a container there is not": (
        {"podFailurePolicy": {"rules": [codes(containerName="main")]}},
        'spec.podFailurePolicy: Invalid value: "object": onExitCodes.containerName must be base',
    ),
    "too long a container": (
        {"podFailurePolicy": {"rules": [codes(containerName="c" * 64)]}},
        "spec.podFailurePolicy.rules[0].onExitCodes.containerName: Too long",
    ),
    "no conditions": (
        {"podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": []}]}},
        "spec.podFailurePolicy.rules[0].onPodConditions: Invalid value",
    ),
    "too many conditions": (
        {"podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "a"}] * 21}]}},
        "spec.podFailurePolicy.rules[0].onPodConditions: Too many",
    ),
    "a condition without a type": (
        {"podFailurePolicy": {"rules": [conditioned(status="True")]}},
        "spec.podFailurePolicy.rules[0].onPodConditions[0].type: Required value",
    ),
    "a condition of an empty type": (
        {"podFailurePolicy": {"rules": [conditioned(type="")]}},
        "spec.podFailurePolicy.rules[0].onPodConditions[0].type: Invalid value",
    ),
    "too long a condition": (
        {"podFailurePolicy": {"rules": [conditioned(type="t" * 317)]}},
        "spec.podFailurePolicy.rules[0].onPodConditions[0].type: Too long",
    ),
    "a condition that knows no yes or no": (
        {"podFailurePolicy": {"rules": [conditioned(type="a", status="Maybe")]}},
        "spec.podFailurePolicy.rules[0].onPodConditions[0].status: Unsupported value",
    ),
    # empty texts, which Kubernetes takes for none in a pod
    "an empty folder": ({"workingDir": ""}, "spec.workingDir: Invalid value"),
    "an empty account": ({"serviceAccountName": ""}, "spec.serviceAccountName: Invalid value"),
    "an empty priority class": ({"priorityClassName": ""}, "spec.priorityClassName: Invalid value"),
    "an empty runtime class": ({"runtimeClassName": ""}, "spec.runtimeClassName: Invalid value"),
    "an empty scheduler": ({"schedulerName": ""}, "spec.schedulerName: Invalid value"),
    # init containers
    "too many init containers": (
        {"initContainers": [{"name": f"i{n}", "image": "i"} for n in range(101)]},
        "spec.initContainers: Too many",
    ),
    "too long a name of an init container": (
        {"initContainers": [{"name": "i" * 64, "image": "i"}]},
        "spec.initContainers[0].name: Too long",
    ),
    # twice the same
    "a variable twice": ({"env": [{"name": "A"}, {"name": "A"}]}, "spec.env[1]: Duplicate value"),
    "a volume twice": (
        {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
        "spec.volumes[1]: Duplicate value",
    ),
    "two mounts in one place": (
        {"volumeMounts": [{"name": "a", "mountPath": "/x"}, {"name": "b", "mountPath": "/x"}]},
        "spec.volumeMounts[1]: Duplicate value",
    ),
}

STATUS_REFUSED: dict[str, tuple[Json, str]] = {
    "an unknown field": ({"phasee": "x"}, 'unknown field "status.phasee"'),
    "an unknown field of an attempt": (
        {"attempts": [{"number": 1, "podName": "p", "exit": 1}]},
        'unknown field "status.attempts[0].exit"',
    ),
    "an unknown phase": ({"phase": "Done"}, "status.phase: Unsupported value"),
    "an attempt without a number": ({"attempts": [{"podName": "p"}]}, "status.attempts[0].number: Required value"),
    "an attempt before the first": (
        {"attempts": [{"number": 0, "podName": "p"}]},
        "status.attempts[0].number: Invalid value",
    ),
    "an unknown cause": (
        {"attempts": [{"number": 1, "cause": "Luck"}]},
        "status.attempts[0].cause: Unsupported value",
    ),
    "an attempt twice": ({"attempts": [{"number": 1}, {"number": 1}]}, "status.attempts[1]: Duplicate value"),
    "an unknown field of a run": ({"runs": [{"number": 1, "pod": "p"}]}, 'unknown field "status.runs[0].pod"'),
    "a run without a number": ({"runs": [{"phase": "Failed"}]}, "status.runs[0].number: Required value"),
    "a run before the first": ({"runs": [{"number": 0}]}, "status.runs[0].number: Invalid value"),
    "a run twice": ({"runs": [{"number": 1}, {"number": 1}]}, "status.runs[1]: Duplicate value"),
    "a run in an unknown phase": ({"runs": [{"number": 1, "phase": "Done"}]}, "status.runs[0].phase: Unsupported"),
    "fewer than no attempts": ({"runs": [{"number": 1, "attempts": -1}]}, "status.runs[0].attempts: Invalid value"),
    "a condition that knows no yes or no": (
        {"conditions": [CONDITION | {"status": "Maybe"}]},
        "status.conditions[0].status: Unsupported value",
    ),
    "the same condition twice": ({"conditions": [CONDITION, CONDITION]}, "status.conditions[1]: Duplicate value"),
    "a time that is none": ({"startTime": "yesterday"}, "status.startTime: Invalid value"),
    "an exit code as text": ({"exitCode": "3"}, "status.exitCode: Invalid value"),
}
