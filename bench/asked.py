"""What a job makes others ask: requests to Airflow from its access log, writes to Kubernetes from the audit log.

Used by `measure`. The audit log is the kind cluster's (dev/audit-policy.yaml); the access log is what Airflow's API
server says by itself.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from dev import cluster
from dev.run import docker, kubectl

OPERATOR = "system:serviceaccount:airflow-container-job:operator"
_IDS = re.compile(r"/(acj|bench|manual)[^/?]*")


def requests(since: datetime) -> dict[str, int]:
    """What the operator has asked Airflow since then, by method and path."""
    operator = ("--selector=app.kubernetes.io/component=operator", "--namespace=airflow-container-job")
    address = kubectl("get", "pods", *operator, "--output=jsonpath={.items[0].status.podIP}").strip()
    log = ("logs", "deployment/airflow", "--container=api-server", "--namespace=airflow")
    return parse_access(kubectl(*log, f"--since-time={stamp(since)}").splitlines(), address, since)


def parse_access(lines: Iterable[str], address: str, since: datetime) -> dict[str, int]:
    """Count an address's requests in Airflow's access log from this time on."""
    found: Counter[str] = Counter()
    for line in lines:
        if "[http.access]" in line and f"client_addr={address}:" in line:
            told = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if datetime.fromisoformat(line.split()[0]) >= since:
                found[f"{told['method']} {_IDS.sub('/ID', told['path'])}"] += 1
    return dict(found)


def writes(since: datetime) -> dict[str, dict[str, int]]:
    """What the operator, and what Airflow, have written to Kubernetes since then, by verb and resource."""
    return parse_audit(docker("exec", cluster.CONTROL_PLANE, "cat", cluster.AUDIT_LOG).splitlines(), since)


def parse_audit(lines: Iterable[str], since: datetime) -> dict[str, dict[str, int]]:
    """Count each account's writes in the audit log from this time on."""
    found: dict[str, Counter[str]] = {"operator": Counter(), "airflow": Counter()}
    for line in lines:
        event = json.loads(line)
        if datetime.fromisoformat(event["requestReceivedTimestamp"]) < since:
            continue
        about = event["objectRef"]
        what = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        found["operator" if event["user"]["username"] == OPERATOR else "airflow"][f"{event['verb']} {what}"] += 1
    return {account: dict(counts) for account, counts in found.items()}


def stamp(time: datetime) -> str:
    """Write a time as Kubernetes does."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
