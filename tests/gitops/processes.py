"""A real Argo CD as processes beside the cluster: controller, repository server and API server.

It manages one namespace, with an account that has no rights elsewhere, and keeps its own objects in another one.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.error import URLError

from dev import binaries
from tests.gitops.argo_cd import SECONDS, ArgoCD
from tests.support.cluster import ROOT, Cluster, Json, Namespace
from tests.support.wait import until

PATCH: Final = ROOT / "manifests/argo-cd/argocd-cm.yaml"


@contextmanager
def running(cluster: Cluster, folder: Path) -> Iterator[ArgoCD]:
    """An Argo CD for the block, with the patch of manifests/argo-cd; what it says goes to files in the folder."""
    programs, source = binaries.argo_cd(), binaries.argo_cd_source()
    with ExitStack() as stack:
        stack.enter_context(_crds(cluster, source))
        place = stack.enter_context(cluster.namespace())
        home = stack.enter_context(cluster.namespace())
        config = [str(path) for path in sorted((source / "manifests/base/config").glob("argocd-*.yaml"))]
        home.kubectl("apply", *(f"--filename={path}" for path in config))
        home.kubectl("patch", "configmap", "argocd-cm", f"--patch-file={PATCH}")
        server = _account(home, place)
        environment = {**cluster.environment, **_folders(folder), **_tools(folder, source, cluster.environment)}

        def start(name: str, *command: str) -> None:
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            named = environment | {"ARGOCD_BINARY_NAME": name}
            process = subprocess.Popen(command, env=named, stdout=log, stderr=log, cwd=folder)
            stack.callback(process.wait)
            stack.callback(process.kill)

        cmd = str(programs / "cmd")
        redis, repositories, api = (f"127.0.0.1:{_free_port()}" for _ in range(3))
        cache = f"--redis={redis}"
        about = (f"--namespace={home.name}", f"--repo-server={repositories}", "--repo-server-plaintext", cache)
        start("redis", str(programs / "redis"), redis)
        _answers("the cache", redis)
        start("argocd-repo-server", cmd, *_listens(repositories), cache, "--disable-tls", "--client-ca-path=")
        _answers("the repository server", repositories)
        start("argocd-server", cmd, *_listens(api), *about, "--insecure", "--disable-auth")
        start("argocd-application-controller", cmd, *about, _metrics())
        _answers("the API server", api)
        argo_cd = ArgoCD(home, place, f"http://{api}", server, folder)
        until("the API server is ready", lambda: _ready(argo_cd), SECONDS)
        yield argo_cd


@contextmanager
def _crds(cluster: Cluster, source: Path) -> Iterator[None]:
    """Argo CD's kinds for the block; where somebody has them already, they stay as they are."""
    if cluster.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/applications.argoproj.io"):
        yield
        return
    files = [f"--filename={path}" for path in sorted((source / "manifests/crds").glob("*-crd.yaml"))]
    cluster.kubectl("apply", "--server-side", *files)
    try:
        wait = ("wait", "--for=condition=Established", "--timeout=10s", *files)  # refuses objects without any condition
        until("Argo CD's kinds are served", lambda: cluster.kubectl(*wait, check=False).returncode == 0, 120)
        yield
    finally:
        cluster.kubectl("delete", "--wait=false", *files)


def _account(home: Namespace, place: Namespace) -> str:
    """Make an account that may do everything in `place`, and tell Argo CD of it; returns the API server's address."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "argo-cd"}}
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "argo-cd"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "argo-cd", "namespace": place.name}],
    }
    place.apply(account, binding)
    token = place.kubectl("create", "token", "argo-cd", "--duration=4h").stdout.strip()
    view: Json = json.loads(home.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout)
    cluster = view["clusters"][0]["cluster"]
    config = {"bearerToken": token, "tlsClientConfig": {"caData": cluster["certificate-authority-data"]}}
    home.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "cluster", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
            "stringData": {
                "name": "test",
                "server": cluster["server"],
                "namespaces": place.name,
                "config": json.dumps(config),
            },
        }
    )
    return str(cluster["server"])


def _folders(folder: Path) -> Mapping[str, str]:
    """Where it keeps what it has read: with us, not with the user."""
    kept = {
        "HOME": "home",
        "TMPDIR": "tmp",
        "ARGOCD_TLS_DATA_PATH": "tls",
        "ARGOCD_SSH_DATA_PATH": "ssh",
        "ARGOCD_GNUPGHOME": "gnupg",
    }
    for name in kept.values():
        (folder / name).mkdir()
    return {variable: str(folder / name) for variable, name in kept.items()}


def _tools(folder: Path, source: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    """What the repository server runs, as its image has it on PATH; nothing here is signed."""
    tools = folder / "bin"
    tools.mkdir()
    copy = shutil.copy(source / "hack/git-verify-wrapper.sh", tools)
    Path(copy).chmod(0o755)
    return {"PATH": f"{tools}{os.pathsep}{environment['PATH']}", "ARGOCD_GPG_ENABLED": "false"}


def _listens(address: str) -> tuple[str, ...]:
    host, _, port = address.partition(":")
    return f"--address={host}", f"--port={port}", f"--metrics-address={host}", _metrics()


def _metrics() -> str:
    return f"--metrics-port={_free_port()}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(what: str, address: str) -> None:
    host, _, port = address.partition(":")

    def open_() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    until(f"{what} answers", open_, 120)


def _ready(argo_cd: ArgoCD) -> bool:
    try:
        argo_cd("GET", "/projects/default")
    except (AssertionError, URLError, OSError):
        return False
    return True
