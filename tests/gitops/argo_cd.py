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
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from dev import binaries
from tests.support.cluster import API_VERSION, KIND, ROOT, Cluster, Json, Namespace
from tests.support.wait import until

PATCH: Final = ROOT / "manifests/argo-cd/argocd-cm.yaml"
SECONDS: Final = 240
"""How long a sync may take with several jobs one after the other, on a slow machine."""


class ArgoCD:
    """What a test asks of it: Applications, their syncs, and what its UI shows."""

    def __init__(self, home: Namespace, place: Namespace, url: str, cluster_url: str, folder: Path) -> None:
        self._home = home
        self._folder = folder
        self.place = place
        """Where it deploys to."""
        self._url = url
        self._cluster_url = cluster_url

    def create(self, name: str, repository: str, manifest: Json | None = None, **policy: Any) -> None:
        """Make an Application for the folder of this name; `manifest` is one that is only to be pointed here."""
        made = manifest or {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "spec": {"project": "default"}}
        spec = made["spec"] | {
            "source": {"repoURL": repository, "targetRevision": "main", "path": name},
            "destination": {"server": self._cluster_url, "namespace": self.place.name},
        }
        if policy:
            spec["syncPolicy"] = policy
        self._home.apply(made | {"metadata": {"name": name}, "spec": spec})
        until(f"Argo CD knows {name}", lambda: self._find(name))

    def logs(self) -> dict[str, str]:
        """What its parts have said so far."""
        return {path.stem: path.read_text(errors="replace") for path in sorted(self._folder.glob("*.log"))}

    def application(self, name: str) -> Json:
        """An Application as it stands."""
        found: Json = self("GET", f"/applications/{name}")
        return found

    def refresh(self, name: str) -> None:
        """Look at the repository and the cluster now, instead of some time."""
        self("GET", f"/applications/{name}?refresh=hard")

    def sync(self, name: str) -> None:
        """Begin to sync, as somebody who presses the button."""
        self("POST", f"/applications/{name}/sync", {"strategy": {"hook": {}}})

    def operation(self, name: str) -> Json:
        """The sync that runs or has run last; empty before the first."""
        found: Json = self.application(name).get("status", {}).get("operationState", {})
        return found

    def synced(self, name: str, revision: str, phase: str = "Succeeded") -> Json:
        """Wait until the sync of a commit has ended so; the operation."""

        def ended() -> bool:
            found = self.operation(name)
            return found.get("syncResult", {}).get("revision") == revision and found.get("phase") == phase

        self._until(name, f"synced to {revision[:8]}: {phase}", ended)
        return self.operation(name)

    def stands(self, name: str, health: str, sync: str = "Synced") -> None:
        """Wait until an Application as a whole is this healthy and this much in sync."""

        def there() -> bool:
            status = self.application(name).get("status", {})
            found = status.get("health", {}).get("status"), status.get("sync", {}).get("status")
            return found == (health, sync)

        self._until(name, f"{health} and {sync}", there)

    def node(self, name: str, job: str) -> Json:
        """A job as the UI's tree shows it; empty where it does not."""
        tree = self("GET", f"/applications/{name}/resource-tree")
        found = (one for one in tree.get("nodes", ()) if (one["kind"], one["name"]) == (KIND, job))
        return next(found, {})

    def actions(self, name: str, job: str) -> dict[str, bool]:
        """The actions that the UI offers for a job, and whether they can be chosen."""
        answer = self("GET", f"/applications/{name}/resource/actions?{urlencode(self._names(job))}")
        return {one["name"]: not one.get("disabled", False) for one in answer["actions"]}

    def act(self, name: str, job: str, action: str) -> None:
        """Choose an action."""
        self("POST", f"/applications/{name}/resource/actions/v2", self._names(job) | {"action": action})

    def _find(self, name: str) -> bool:
        return name in [one["metadata"]["name"] for one in self("GET", "/applications")["items"] or ()]

    def _names(self, job: str) -> dict[str, str]:
        group, _, version = API_VERSION.partition("/")
        return {
            "resourceName": job,
            "namespace": self.place.name,
            "group": group,
            "version": version,
            "kind": KIND,
        }

    def _until(self, name: str, what: str, probe: Any) -> None:
        try:
            until(f"{name} is {what}", probe, SECONDS)
        except AssertionError as error:
            status = self.application(name).get("status", {})
            told = {key: status.get(key) for key in ("sync", "health", "operationState", "conditions", "resources")}
            raise AssertionError(f"{error}; Argo CD says {json.dumps(told)}") from None

    def __call__(self, method: str, path: str, body: Json | None = None) -> Any:
        """Send a request to the API; the JSON answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self._url}/api/v1{path}", data, headers, method=method)  # noqa: S310 - our own address
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.loads(answer.read())
        except HTTPError as error:
            raise AssertionError(f"Argo CD: {method} {path}: {error.code} {error.read().decode()}") from None


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
        redis, repositories, api = (f"127.0.0.1:{_free_port()}" for _ in range(3))
        environment = {**cluster.environment, **_folders(folder), **_tools(folder, source, cluster.environment)}

        def start(name: str, *command: str) -> None:
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            named = environment | {"ARGOCD_BINARY_NAME": name}
            process = subprocess.Popen(command, env=named, stdout=log, stderr=log, cwd=folder)
            stack.callback(process.wait)
            stack.callback(process.kill)

        cmd = str(programs / "cmd")
        parts = (f"--repo-server={repositories}", "--repo-server-plaintext", f"--redis={redis}")
        about = (f"--namespace={home.name}", *parts)
        start("redis", str(programs / "redis"), redis)
        _answers("the cache", redis)
        start(
            "argocd-repo-server",
            *(cmd, *_listens(repositories), f"--metrics-port={_free_port()}", "--metrics-address=127.0.0.1"),
            *(f"--redis={redis}", "--disable-tls", "--client-ca-path="),
        )
        start("argocd-server", cmd, *_listens(api), *about, "--insecure", "--disable-auth", *_metrics("127.0.0.1"))
        _answers("the repository server", repositories)
        start("argocd-application-controller", cmd, *about, *_metrics(None))
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


def _listens(address: str) -> tuple[str, str]:
    host, _, port = address.partition(":")
    return f"--address={host}", f"--port={port}"


def _metrics(host: str | None) -> tuple[str, ...]:
    return (f"--metrics-port={_free_port()}", *([f"--metrics-address={host}"] if host else []))


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
