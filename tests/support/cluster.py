"""The cluster under test, through kubectl: as a user meets it, refusals and their wording included.

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
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.support.wait import until

ROOT: Final = Path(__file__).parents[2]
CRD: Final = ROOT / "crds" / "airflowcontainerjobs.yaml"
API_VERSION: Final = "acj.dev/v1alpha1"
KIND: Final = "AirflowContainerJob"
PLURAL: Final = "airflowcontainerjobs"

Json = dict[str, Any]


class Cluster:
    """One API server, found by KUBECONFIG."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Take the environment that leads there; kubectl finds our plugin beside the Python that runs the tests."""
        scripts = Path(sys.executable).parent
        self.environment = {**environment, "PATH": f"{scripts}{os.pathsep}{environment['PATH']}"}

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

    def read(self, *arguments: str) -> Json | None:
        """What `kubectl get` tells about one object; None when there is none."""
        done = self.kubectl("get", *arguments, "--ignore-not-found", "-o", "json")
        found: Json | None = json.loads(done.stdout) if done.stdout.strip() else None
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
        self.kubectl("create", "namespace", namespace.name)
        try:
            # Pods name an account that exists, whether or not a controller makes the default one here.
            namespace.kubectl("create", "serviceaccount", "pods")
            yield namespace
        finally:
            namespace.release_jobs()  # a finalizer nobody serves any more would keep the namespace for ever
            self.kubectl("delete", "namespace", namespace.name, "--wait=false")


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
        return self.cluster.read("-n", self.name, PLURAL, name)

    def status(self, name: str) -> Json:
        """The status of the resource of this name; empty before it is written."""
        status: Json = self.job(name).get("status", {})
        return status

    def patch(self, name: str, **spec: Any) -> None:
        """Change fields of a resource's spec; None removes one."""
        self.kubectl("patch", PLURAL, name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def wait_for_all(self, names: Sequence[str], phase: str, reason: str = "") -> None:
        """Wait until all these resources are in this phase, for a reason that begins so."""
        path = '{range .items[*]}{.metadata.name}={.status.phase}/{.status.reason}{"\\n"}{end}'

        def there() -> bool:
            lines = self.kubectl("get", PLURAL, "-o", f"jsonpath={path}").stdout.split()
            seen = dict(line.split("=") for line in lines)
            return all(seen.get(name, "").startswith(f"{phase}/{reason}") for name in names)

        until(f"all are {phase} {reason}", there, seconds=60)

    def write_status(self, kind: str, name: str, status: Json) -> None:
        """Write a status, as a kubelet or the operator would."""
        self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def delete(self, name: str) -> None:
        """Ask for the deletion of a resource, and do not wait for it."""
        self.kubectl("delete", PLURAL, name, "--wait=false")

    def release_jobs(self) -> None:
        """Take the finalizers off all resources."""
        for name in self.kubectl("get", PLURAL, "-o", "name").stdout.split():
            self.kubectl("patch", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}', check=False)

    def watch(self) -> Watch:
        """Record every version of every resource that is made here from now on."""
        return Watch(self)


class Watch:
    """Every version of the resources of a namespace, in the order they were written. To be used with `with`."""

    def __init__(self, namespace: Namespace) -> None:
        path = f"/apis/{API_VERSION}/namespaces/{namespace.name}/{PLURAL}"
        now = json.loads(namespace.kubectl("get", "--raw", path).stdout)["metadata"]["resourceVersion"]
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
        path = '{range .items[*]}{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}'
        lines = self._namespace.kubectl("get", PLURAL, "-o", f"jsonpath={path}").stdout.splitlines()
        recorded = [tuple(line.split()) for line in lines if self.versions(line.split()[0])]

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
