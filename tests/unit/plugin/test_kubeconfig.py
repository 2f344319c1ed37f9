"""Which cluster and which namespace are meant: those that kubectl would take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kubernetes.config import incluster_config

from kubectl_acj.errors import PluginError
from kubectl_acj.kubeconfig import find


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without a kubeconfig, on a machine that is no pod."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "POD_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def pod(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """We run in a pod of the namespace team-p."""
    for name, content in (("token", "t"), ("ca.crt", "c"), ("namespace", "team-p\n")):
        (home / name).write_text(content)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(home / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(home / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")


def _write(path: Path, server: str, **context: str) -> None:
    path.parent.mkdir(exist_ok=True)
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"} | context}],
        "current-context": "here",
    }
    path.write_text(json.dumps(content))


def _found(kubeconfig: str | None = None) -> tuple[str, str]:
    settings, namespace = find(kubeconfig, None)
    return settings.host, namespace


@pytest.mark.usefixtures("pod")
def test_in_a_pod_without_a_kubeconfig_the_pods_cluster_and_namespace_are_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _found() == ("https://10.0.0.1:443", "team-p")
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    assert _found() == ("https://10.0.0.1:443", "team-p")
    monkeypatch.setenv("POD_NAMESPACE", "team-q")
    assert _found() == ("https://10.0.0.1:443", "team-q")
    with pytest.raises(PluginError, match="no cluster to talk to"):
        _found("/no/such/file")
    with pytest.raises(PluginError, match="no cluster to talk to"):
        find(None, "nowhere")


@pytest.mark.usefixtures("pod")
def test_in_a_pod_a_kubeconfig_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / ".kube/config", "https://other")
    assert _found() == ("https://other", "team-p")
    _write(home / "named", "https://named", namespace="team-a")
    monkeypatch.setenv("KUBECONFIG", f"{home / 'named'}:")
    assert _found() == ("https://named", "team-a")


def test_elsewhere_the_namespace_is_the_contexts_or_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / ".kube/config", "https://other")
    assert _found() == ("https://other", "default")
    monkeypatch.setenv("KUBECONFIG", "")
    assert _found() == ("https://other", "default")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")  # as some set it who run in no pod
    assert _found() == ("https://other", "default")
