"""From an Airflow connection of type `kubernetes` to the way into its cluster.

Called by `cluster`, once per connection as long as it is in use. Reads the fields KubernetesPodOperator reads. The
provider's own hook is left aside: importing it costs the triggerer 1.5 CPU seconds and 40 MB more, for these few lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from dynamic_pod import access
from dynamic_pod.access import Access

DEFAULT: Final = "kubernetes_default"
"""The one connection that need not exist: without it, the pod's own cluster or the default kubeconfig is used."""

PREFIX: Final = "extra__kubernetes__"
"""Of fields in connections made before Airflow 2.3."""


class WrongConnection(ValueError):
    """The Airflow connection does not say which cluster is meant."""


async def read(conn_id: str) -> tuple[Access, str]:
    """Read the connection and the files it names: how to reach its cluster, and the namespace for pods that name none.

    Raises WrongConnection, or what reading the files raises.
    """
    fields = await _fields(conn_id)
    own = _own_cluster(conn_id, fields)
    reached = await (access.of_own_cluster() if own else _of_kubeconfig(fields))
    if _said(fields, "disable_verify_ssl"):
        access.trust_anybody(reached.tls)
    own_namespace = access.ACCOUNT / "namespace"
    default = own_namespace.read_text() if own and own_namespace.exists() else "default"
    return reached, fields.get("namespace") or default


async def _fields(conn_id: str) -> Mapping[str, Any]:
    try:
        connection = await BaseHook.aget_connection(conn_id)
    except AirflowNotFoundException:
        if conn_id == DEFAULT:
            return {}
        raise
    extra: Mapping[str, Any] = await connection.aextra_dejson()
    return {key.removeprefix(PREFIX): value for key, value in extra.items() if value not in ("", None)}


def _own_cluster(conn_id: str, fields: Mapping[str, Any]) -> bool:
    """Whether the cluster is meant that we run in."""
    said = _said(fields, "in_cluster")
    path, text, context = (fields.get(key) for key in ("kube_config_path", "kube_config", "cluster_context"))
    if sum(map(bool, (said, path, text))) > 1:
        raise WrongConnection(
            f"Connection {conn_id} has more than one of in_cluster, kube_config_path and kube_config: keep one."
        )
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ
    if said and not in_pod:
        raise WrongConnection(f"Connection {conn_id} says in_cluster, but Airflow runs in no pod of a cluster here.")
    return said or (in_pod and not (path or text or context))


async def _of_kubeconfig(fields: Mapping[str, Any]) -> Access:
    text = fields.get("kube_config")
    source = json.loads(text) if isinstance(text, str) else text
    return await access.of_kubeconfig(source or fields.get("kube_config_path"), fields.get("cluster_context"))


def _said(fields: Mapping[str, Any], key: str) -> bool:
    return str(fields.get(key, "")).lower() == "true"
