"""The cluster under test: what a user does goes through kubectl, refusals and their wording included.

What tests look at, often and while they wait, is asked of the API server directly: kubectl takes twenty times as long.
Used by the integration and the end-to-end tests. There is always a cluster: without one the tests fail and say how to
start it, they are never skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from kubernetes import config
from kubernetes.client import ApiException

from tests.support.wait import until

ROOT: Final = Path(__file__).parents[2]
CRD: Final = ROOT / "crds" / "airflowcontainerjobs.yaml"
API_VERSION: Final = "acj.dev/v1alpha1"
KIND: Final = "AirflowContainerJob"
PLURAL: Final = "airflowcontainerjobs"
GROUPS: Final = {PLURAL: f"/apis/{API_VERSION}", "deployments": "/apis/apps/v1", "jobs": "/apis/batch/v1"}
"""Where the API server serves the resources that are not of the core group."""

Json = dict[str, Any]


class Cluster:
    """One API server, found by KUBECONFIG."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Take the environment that leads there; kubectl finds our plugin beside the Python that runs the tests."""
        scripts = Path(sys.executable).parent
        self.environment = {**environment, "PATH": f"{scripts}{os.pathsep}{environment['PATH']}"}
        self._client = config.new_client_from_config(self.environment["KUBECONFIG"])

    @classmethod
    def find(cls) -> Self:
        """The cluster that KUBECONFIG names, else the one `make up` started."""
        environment = dict(os.environ)
        if "KUBECONFIG" not in environment:
            environment |= _made_by_make_up()
        cluster = cls(environment)
        answer = cluster.kubectl("get", "--raw", "/readyz", check=False)
        if answer.returncode != 0:
            raise RuntimeError(f"no cluster to test on ({answer.stderr.strip()}); `make up` starts one")
        return cluster

    def kubectl(self, *arguments: str, stdin: object = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl, `stdin` as JSON."""
        text = None if stdin is None else json.dumps(stdin)
        done = subprocess.run(
            ["kubectl", *arguments], input=text, capture_output=True, text=True, check=False, env=self.environment
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    def get(self, path: str, **query: str) -> Json | None:
        """What the API server answers about the object or list at this path; None when there is none."""
        try:
            return self._send("GET", path, query)
        except ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def merge(self, path: str, change: Json) -> None:
        """Patch the object at this path."""
        self._send("PATCH", path, {}, change)

    def _send(self, method: str, path: str, query: Mapping[str, str], body: Json | None = None) -> Json:
        answer = self._client.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": "application/merge-patch+json"},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=30,
        )
        found: Json = json.loads(answer.data)
        return found

    def status_patches(self) -> int:
        """How often anybody has patched a status of our kind; also counts patches that changed nothing."""
        metrics = self.kubectl("get", "--raw", "/metrics").stdout
        ours = f'resource="{PLURAL}",scope="resource",subresource="status",verb="PATCH"'
        lines = [line for line in metrics.splitlines() if line.startswith("apiserver_request_total") and ours in line]
        return sum(int(float(line.rpartition(" ")[2])) for line in lines)

    def install_crd(self) -> None:
        """Apply the CRD as users do, client-side, and wait until it is served."""
        self.kubectl("apply", "-f", str(CRD))
        self.kubectl("wait", "--for=condition=Established", "crd", f"{PLURAL}.acj.dev", "--timeout=30s")
        until("the resource is served", lambda: self.kubectl("get", PLURAL, "-A", check=False).returncode == 0)

    @contextmanager
    def namespace(self) -> Iterator[Namespace]:
        """A namespace for the block only."""
        namespace = Namespace(self, f"test-{uuid.uuid4().hex[:8]}")
        try:
            self.kubectl("create", "namespace", namespace.name)
            # Pods name an account that exists, whether or not a controller makes the default one here.
            namespace.kubectl("create", "serviceaccount", "pods")
            yield namespace
        finally:
            namespace.release_jobs()  # a finalizer nobody serves any more would keep the namespace for ever
            self.kubectl("delete", "namespace", namespace.name, "--ignore-not-found", "--wait=false")


class Namespace:
    """A throw-away namespace and what is in it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def kubectl(self, *arguments: str, stdin: object = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl in this namespace."""
        return self.cluster.kubectl("-n", self.name, *arguments, stdin=stdin, check=check)

    def apply(self, *objects: Json) -> None:
        """Apply these objects, all in one go."""
        self.kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": list(objects)})

    def job(self, name: str) -> Json:
        """The resource of this name, which must exist."""
        found = self.find_job(name)
        assert found is not None, f"{PLURAL} {name} does not exist"
        return found

    def find_job(self, name: str) -> Json | None:
        """The resource of this name, if there is one."""
        return self.item(PLURAL, name)

    def items(self, resource: str, **query: str) -> list[Json]:
        """What there is of a resource, named by its plural: one of the core group, or of `GROUPS`."""
        found = self.cluster.get(self._path(resource), **query)
        assert found is not None, f"the cluster knows no {resource}"
        return list(found["items"])

    def item(self, resource: str, name: str) -> Json | None:
        """The object of this resource and name, if there is one."""
        return self.cluster.get(self._path(resource, name))

    def _path(self, resource: str, *names: str) -> str:
        return "/".join((GROUPS.get(resource, "/api/v1"), "namespaces", self.name, resource, *names))

    def status(self, name: str) -> Json:
        """The status of the resource of this name; empty before it is written."""
        status: Json = self.job(name).get("status", {})
        return status

    def patch(self, name: str, **spec: Any) -> None:
        """Change fields of a resource's spec; None removes one."""
        self.kubectl("patch", PLURAL, name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def wait_for_all(self, names: Sequence[str], phase: str, reason: str = "") -> None:
        """Wait until all these resources are in this phase, for a reason that begins so."""

        def there() -> bool:
            seen = {one["metadata"]["name"]: one.get("status", {}) for one in self.items(PLURAL)}
            found = [seen.get(name, {}) for name in names]
            return all(one.get("phase") == phase and one.get("reason", "").startswith(reason) for one in found)

        until(f"all are {phase} {reason}", there, seconds=60)

    def write_status(self, resource: str, name: str, status: Json) -> None:
        """Write a status, as a kubelet or the operator would."""
        self.cluster.merge(self._path(resource, name, "status"), {"status": status})

    def delete(self, name: str) -> None:
        """Ask for the deletion of a resource, and do not wait for it."""
        self.kubectl("delete", PLURAL, name, "--wait=false")

    def release_jobs(self) -> None:
        """Take the finalizers off all resources."""
        for job in self.items(PLURAL):
            with suppress(ApiException):  # it may be gone by now
                self.cluster.merge(self._path(PLURAL, job["metadata"]["name"]), {"metadata": {"finalizers": None}})

    def watch(self) -> Watch:
        """Record every version of every resource that is made here from now on."""
        return Watch(self)


class Watch:
    """Every version of the resources of a namespace, in the order they were written. To be used with `with`."""

    def __init__(self, namespace: Namespace) -> None:
        path = f"/apis/{API_VERSION}/namespaces/{namespace.name}/{PLURAL}"
        found = namespace.cluster.get(path)
        assert found is not None
        now = found["metadata"]["resourceVersion"]
        self._namespace = namespace
        self._process = subprocess.Popen(
            ["kubectl", "get", "--raw", f"{path}?watch=1&resourceVersion={now}"],
            stdout=subprocess.PIPE,
            env=namespace.cluster.environment,
            text=True,
        )
        self._events: list[Json] = []
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._events.extend(json.loads(line) for line in self._process.stdout)

    def versions(self, name: str) -> Sequence[Json]:
        """All versions of one resource."""
        objects = [event["object"] for event in list(self._events)]
        return [found for found in objects if found["metadata"]["name"] == name]

    def writes(self, name: str) -> int:
        """How often it was written after it was made."""
        return len(self.versions(name)) - 1

    def catch_up(self) -> None:
        """Wait until the watch shows what the API server has."""
        found = [one["metadata"] for one in self._namespace.items(PLURAL)]
        recorded = [(one["name"], one["resourceVersion"]) for one in found if self.versions(one["name"])]

        def shown() -> bool:
            return all(
                any(v["metadata"]["resourceVersion"] == version for v in self.versions(name))
                for name, version in recorded
            )

        until("the watch shows the newest versions", shown)


def manifest(name: str, **spec: Any) -> Json:
    """A small resource; `spec` goes over the defaults."""
    defaults = {"image": "busybox:1.35", "command": ["true"]}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": defaults | spec}


def _made_by_make_up() -> dict[str, str]:
    """The variables that `make env` prints, read by the shell they are meant for."""
    printed = subprocess.run(
        [sys.executable, "-m", "dev", "env"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if printed.returncode != 0:
        raise RuntimeError(f"no cluster to test on ({printed.stdout.strip() or printed.stderr.strip()}); run `make up`")
    variables = subprocess.run(
        ["bash", "-c", 'eval "$1" && env -0', "bash", printed.stdout], capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in variables.stdout.split("\0") if "=" in line)
