"""Finds cluster, account and namespace as kubectl does: by the options, else by the kubeconfig, else the pod's own.

Used by `cluster`, and by the completion of contexts. What the client says of a kubeconfig becomes a PluginError.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import yaml
from kubernetes import client, config
from kubernetes.config import incluster_config

from kubectl_acj.errors import PluginError

UNREADABLE: Final = (
    config.ConfigException,
    yaml.YAMLError,
    OSError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What the client raises at a kubeconfig that is not there or is none: it hardly looks at what it reads."""


def find(kubeconfig: str | None, context: str | None) -> tuple[client.Configuration, str]:
    """How to reach the cluster, and the namespace to work in unless one is said; None is for what was not said.

    Raises PluginError.
    """
    settings = client.Configuration()
    paths = _paths(kubeconfig)
    there = [path for path in paths.split(os.pathsep) if path and Path(path).expanduser().exists()]
    try:
        if _in_a_pod() and not (kubeconfig or context or there):
            config.load_incluster_config(client_configuration=settings)
            return settings, _namespace_of_the_pod()
        config.load_kube_config(paths, context, client_configuration=settings)
        found, current = config.list_kube_config_contexts(paths)
        used = current if context is None else next(one for one in found if one["name"] == context)
        return settings, used["context"].get("namespace") or _namespace_of_the_pod()
    except UNREADABLE as error:
        raise PluginError(f"no cluster to talk to: {error}; set KUBECONFIG, or use --kubeconfig") from error


def contexts(kubeconfig: str | None) -> list[str]:
    """The names of the kubeconfig's contexts. Raises PluginError."""
    try:
        found, _ = config.list_kube_config_contexts(_paths(kubeconfig))
    except UNREADABLE as error:
        raise PluginError(f"the kubeconfig cannot be read: {error}") from error
    return [one["name"] for one in found]


def _paths(kubeconfig: str | None) -> str:
    """Where the kubeconfig is: files, parted as in PATH, which are read as one."""
    return kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"


def _in_a_pod() -> bool:
    """Whether we run in a pod that has an account of its cluster."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and Path(incluster_config.SERVICE_TOKEN_FILENAME).is_file()


def _namespace_of_the_pod() -> str:
    """The namespace that kubectl takes when the kubeconfig names none: `default`, unless we run in a pod."""
    if not _in_a_pod():
        return "default"
    said = Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace")
    return os.environ.get("POD_NAMESPACE") or (said.read_text().strip() if said.is_file() else "") or "default"
