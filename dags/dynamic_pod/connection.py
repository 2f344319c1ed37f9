"""From an Airflow connection of type `kubernetes` to the way into its cluster.

Called by `cluster`, once per connection as long as it is in use. Reads the fields KubernetesPodOperator reads. The
provider's own hook is left aside: importing it costs the triggerer 1.5 CPU seconds and 40 MB more, for these few lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from kubernetes_asyncio import config as kubernetes_config
from kubernetes_asyncio.client import Configuration

DEFAULT: Final = "kubernetes_default"
"""The one connection that need not exist: without it, the pod's own cluster or the default kubeconfig is used."""

OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod reads which namespace it runs in."""

PREFIX: Final = "extra__kubernetes__"
"""Of fields in connections made before Airflow 2.3."""


class WrongConnection(ValueError):
    """The Airflow connection does not say which cluster is meant."""


class Access(NamedTuple):
    """How to reach a cluster, and the namespace for pods that name none."""

    configuration: Configuration
    namespace: str


async def read(conn_id: str) -> Access:
    """Read the connection and the files it names; raises WrongConnection, or what the client library raises."""
    fields = await _fields(conn_id)
    configuration = Configuration()
    in_cluster = await _load(conn_id, fields, configuration)
    configuration.connection_pool_maxsize = 0  # each followed log holds a connection: any limit would stall the rest
    if str(fields.get("disable_verify_ssl", "")).lower() == "true":
        configuration.verify_ssl = False
    own = OWN_NAMESPACE.read_text() if in_cluster and OWN_NAMESPACE.exists() else "default"
    return Access(configuration, fields.get("namespace") or own)


async def _fields(conn_id: str) -> Mapping[str, Any]:
    try:
        connection = await BaseHook.aget_connection(conn_id)
    except AirflowNotFoundException:
        if conn_id == DEFAULT:
            return {}
        raise
    extra: Mapping[str, Any] = await connection.aextra_dejson()
    return {key.removeprefix(PREFIX): value for key, value in extra.items() if value not in ("", None)}


async def _load(conn_id: str, fields: Mapping[str, Any], configuration: Configuration) -> bool:
    """Fill the configuration; returns whether it is that of the cluster we run in."""
    in_cluster = str(fields.get("in_cluster", "")).lower() == "true"
    path, text, context = (fields.get(key) for key in ("kube_config_path", "kube_config", "cluster_context"))
    if sum(map(bool, (in_cluster, path, text))) > 1:
        raise WrongConnection(
            f"Connection {conn_id} has more than one of in_cluster, kube_config_path and kube_config: keep one."
        )
    unsaid = not (path or text or context)
    if in_cluster or (unsaid and "KUBERNETES_SERVICE_HOST" in os.environ):
        kubernetes_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        return True
    if text:
        kubeconfig = json.loads(text) if isinstance(text, str) else text
        await kubernetes_config.load_kube_config_from_dict(kubeconfig, context, configuration)
    else:
        await kubernetes_config.load_kube_config(path, context, configuration)
    return False
