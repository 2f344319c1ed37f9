"""A spec with every field of the container and of the pod, for test_fields.py. Two more, classes, are made by the test.

The script tells as its result what came of each field; then it goes on, so that there is a pod to look at.
"""

from __future__ import annotations

from tests.support.cluster import Json
from tests.support.jobs import GRACE

PASSWORD = "low-tide-at-6-o-clock"
KEY = "key-under-the-mat"

SCRIPT = """
digest() { printf %s "$1" | sha256sum | cut -c 1-64; }
while ! [ -e /data/written ]; do sleep 0.1; done
cat > /airflow/xcom/return.json <<END
{"password": "$(digest "$PASSWORD")", "all": "$(digest "$LOGIN_password")", "key": "$(digest "$(cat /all/key)")",
 "setting": "$SETTING", "settings": "$(cat /all/settings/depth)", "greeting": "$GREETING", "node": "$NODE",
 "memory": $MEMORY, "folder": "$(pwd)", "user": $(id -u), "group": $(stat -c %g /scratch),
 "prepared": "$(cat /scratch/prepared)",
 "served": "$(wget -qO- 127.0.0.1:8000/prepared)", "token": "$(test -s /all/token && echo there)",
 "labels": "$(grep -c 'team="harbour"' /all/labels)", "written": "$(cat /data/written)"}
END
echo done
sleep 600
"""

SPEC: Json = {
    "image": "busybox:1.35",
    "imagePullPolicy": "IfNotPresent",
    "command": ["sh", "-ec"],
    "args": [SCRIPT],
    "workingDir": "/scratch",
    "env": [
        {"name": "PLACE", "value": "harbour"},
        {"name": "GREETING", "value": "good morning, $(PLACE)"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
        {"name": "SETTING", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "depth"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
        {
            "name": "MEMORY",
            "valueFrom": {"resourceFieldRef": {"containerName": "base", "resource": "limits.memory", "divisor": "1Mi"}},
        },
    ],
    "envFrom": [
        {"prefix": "LOGIN_", "secretRef": {"name": "login"}},
        {"configMapRef": {"name": "absent", "optional": True}},
    ],
    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
    "volumeMounts": [
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "data", "mountPath": "/data", "subPath": "shared"},
        {"name": "all", "mountPath": "/all", "readOnly": True},
    ],
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    },
    "volumes": [
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {
            "name": "all",
            "projected": {
                "defaultMode": 0o440,
                "sources": [
                    {"secret": {"name": "login", "items": [{"key": "key", "path": "key"}]}},
                    {"configMap": {"name": "settings", "items": [{"key": "depth", "path": "settings/depth"}]}},
                    {
                        "downwardAPI": {
                            "items": [
                                {"path": "labels", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}
                            ]
                        }
                    },
                    {"serviceAccountToken": {"path": "token", "audience": "harbour", "expirationSeconds": 3600}},
                ],
            },
        },
    ],
    "initContainers": [
        {
            "name": "prepare",
            "image": "busybox:1.35",
            "command": ["sh", "-c", "printf prepared > /scratch/prepared"],
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        },
        {
            "name": "serve",
            "image": "busybox:1.35",
            "restartPolicy": "Always",
            "command": ["httpd", "-f", "-p", "8000", "-h", "/scratch"],
            "startupProbe": {"exec": {"command": ["wget", "-qO-", "127.0.0.1:8000/prepared"]}, "periodSeconds": 1},
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        },
    ],
    "serviceAccountName": "pods",
    "automountServiceAccountToken": True,
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "example.com/broken", "operator": "NotIn", "values": ["yes"]}]}
                ]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "podAffinityTerm": {
                        "topologyKey": "kubernetes.io/hostname",
                        "labelSelector": {"matchLabels": {"team": "lighthouse"}},
                    },
                }
            ]
        },
    },
    "tolerations": [
        {"key": "example.com/pool", "operator": "Equal", "value": "red", "effect": "NoSchedule"},
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 60,
        },
    ],
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"team": "harbour"}},
        }
    ],
    "schedulerName": "default-scheduler",
    "podSecurityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "fsGroup": 2000,
        "supplementalGroups": [3000],
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    **GRACE,
    "podMetadata": {
        "labels": {"team": "harbour"},
        "annotations": {"example.com/note": 'any text, {{ unrendered }} "quoted"\nand more'},
    },
}
