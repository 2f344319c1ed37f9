"""The commands of docs/how-to/install.md, typed as they stand there.

The Airflow that is there already is that of `make up`. Its operator gives way until the last test has ended; `make up`
brings it back then, and whenever this was ended before it could.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest
import yaml

from tests.support.airflow import Airflow
from tests.support.cluster import CRD, ROOT, Cluster, Namespace
from tests.support.helm import Helm
from tests.support.jobs import ended, job, until_phase
from tests.support.nodes import Nodes
from tests.support.wait import until

DOCUMENT: Final = (ROOT / "docs/how-to/install.md").read_text()
TYPED: Final = re.sub(r"\s+", " ", DOCUMENT.replace("\\\n", " "))
"""The document, each command of it in one line."""

RELEASED: Final = "registry.example.com/airflow-container-job/operator"
OLD: Final = "0.0.9"
VERSION: Final = "0.1.0"
"""As tests/install/test_versions.py holds all places to."""

WAITS: Final = "until [ -e /go ]; do sleep 0.2; done"


class Reader:
    """A person with a checkout, who types what the document says."""

    def __init__(self, folder: Path, namespace: Namespace, helm: Helm) -> None:
        self.folder = folder
        cluster = namespace.cluster
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(cluster.kubectl("config", "view", "--raw", "--flatten").stdout)
        cluster.kubectl(
            "config", "set-context", "--current", f"--kubeconfig={kubeconfig}", "--namespace", namespace.name
        )
        users = cluster.get("/api/v1/namespaces/airflow/secrets/airflow-users")
        assert users is not None
        self._environment = cluster.environment | {
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{helm.program.parent}{os.pathsep}{cluster.environment['PATH']}",
            "PASSWORD": b64decode(users["data"]["operator"]).decode(),
        }

    @property
    def crd(self) -> Path:
        return self.folder / "airflow-container-job" / CRD.relative_to(ROOT)

    def check_out(self, version: str) -> None:
        """Put this version where the checkout is. The old one has a definition without the field `priority`."""
        checkout = self.folder / "airflow-container-job"
        shutil.rmtree(checkout, ignore_errors=True)
        for name in ("manifests", "charts", "crds", "examples"):
            shutil.copytree(ROOT / name, checkout / name, symlinks=True)
        if version == VERSION:
            return
        for file in (*checkout.glob("manifests/**/kustomization.yaml"), *checkout.glob("charts/*/Chart.yaml")):
            file.write_text(file.read_text().replace(VERSION, version))
        definition = yaml.safe_load(self.crd.read_text())
        del definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][
            "priority"
        ]
        self.crd.write_text(yaml.safe_dump(definition))

    def write(self, name: str, says: str) -> None:
        """Write the document's YAML that says so into a file beside the checkout."""
        blocks = re.findall(r"^ *```yaml\n(.*?\n) *```$", DOCUMENT, re.MULTILINE | re.DOTALL)
        (block,) = (one for one in blocks if says in one)
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(block))

    def type(self, command: str, *more: str, **names: str) -> None:
        """Run a command of the document in the checkout.

        `more` is what the prose says to add, `names` what stands for the reader's own: `NAME`, or `team_a` for team-a.
        """
        assert command in TYPED, f"docs/how-to/install.md does not say: {command}"
        for name, own in names.items():
            command = command.replace(name.replace("_", "-"), own)
        command = " ".join((command, *more))
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder / "airflow-container-job",
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"

    def make_namespace_and_secret(self) -> None:
        self.type("kubectl create namespace airflow-container-job")
        self.type(
            "kubectl create secret generic airflow-credentials --namespace airflow-container-job "
            "--type=kubernetes.io/basic-auth --from-literal=username=operator "
            '--from-literal=password="$PASSWORD"'
        )


class Kustomize:
    """docs/how-to/install.md#with-kustomize."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        reader.write("our-operator/kustomization.yaml", "../airflow-container-job/manifests\n")

    def install(self) -> None:
        """What makes an installation, and what upgrades one."""
        self._reader.type("kubectl apply -k ../our-operator")
        self._reader.type("kubectl rollout status deployment/operator --namespace airflow-container-job")

    def uninstall(self) -> None:
        self._reader.type("kubectl delete namespace airflow-container-job")
        self._reader.type("kubectl delete clusterrole,clusterrolebinding airflow-container-job-operator")

    def install_again(self, _: Namespace) -> None:
        self._reader.make_namespace_and_secret()
        self.install()


class WithHelm:
    """docs/how-to/install.md#with-helm."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        reader.write("our-operator.yaml", "airflowServiceAccounts:")
        self._more = ["--take-ownership", "--force-conflicts"]  # the definition is there, and by kubectl

    def install(self, *more: str) -> None:
        """What makes an installation, and what upgrades one."""
        handing_over = [self._more.pop(0)] if self._more else []
        self._reader.type(
            "helm upgrade --install airflow-container-job charts/airflow-container-job "
            "--namespace airflow-container-job --values ../our-operator.yaml --wait",
            *handing_over,
            *more,
        )

    def uninstall(self) -> None:
        self._reader.type("helm uninstall airflow-container-job --namespace airflow-container-job --wait")

    def install_again(self, served: Namespace) -> None:
        """With rights in one namespace only, of which the rest of the scenario makes use."""
        self.install(f"--set namespaces={{{served.name}}}")
        for account in ("airflow-container-job:airflow-container-job", "airflow:airflow-triggerer"):
            asks = ("auth", "can-i", "delete", "pods", f"--as=system:serviceaccount:{account}", "--namespace")
            assert served.cluster.kubectl(*asks, served.name).stdout.strip() == "yes"
            assert served.cluster.kubectl(*asks, "default", check=False).stdout.strip() == "no"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The cluster of `make up`, without the operator, and with the images that the document has in a registry."""
    cluster = Cluster.find()
    _tag_images(cluster)
    try:
        _remove_operator(cluster)
        yield cluster
    finally:
        _remove_operator(cluster)
        cluster.kubectl("replace", "--filename", str(CRD))  # without the marks of the ways
        subprocess.run([sys.executable, "-m", "dev", "up"], cwd=ROOT, check=True)


def _tag_images(cluster: Cluster) -> None:
    """Let the installed operator's image be found under the names of the document, as if pulled from its registry."""
    deployment = cluster.get("/apis/apps/v1/namespaces/airflow-container-job/deployments/operator")
    assert deployment is not None, "no operator is installed; run `make up`"
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    nodes = Nodes(cluster.environment)
    for version in (OLD, VERSION):
        nodes.total(
            'ctr --namespace=k8s.io images tag --force "$IMAGE" "$NAME" >/dev/null && echo 1',
            IMAGE=f"docker.io/{image}",
            NAME=f"{RELEASED}:{version}",
        )


def _remove_operator(cluster: Cluster) -> None:
    names = ("airflow-container-job-operator", "airflow-container-job-triggerer", "airflow-container-job-everywhere")
    cluster.kubectl("delete", "namespace", "airflow-container-job", "--ignore-not-found")
    cluster.kubectl("delete", "clusterrole,clusterrolebinding", *names, "--ignore-not-found")


@pytest.fixture
def reader(tmp_path: Path, namespace: Namespace, helm: Helm) -> Iterator[Reader]:
    yield Reader(tmp_path, namespace, helm)
    _remove_operator(namespace.cluster)


@pytest.mark.parametrize("way", [Kustomize, WithHelm])
def test_from_nothing_over_an_upgrade_to_uninstalled_and_back(
    way: type[Kustomize | WithHelm], reader: Reader, namespace: Namespace
) -> None:
    """Jobs outlive every step, and what they and people do while no operator is there is made up for."""
    reader.check_out(OLD)
    namespace.cluster.kubectl("replace", "--filename", str(reader.crd))  # as no newer one had ever been here
    installation = way(reader)
    reader.make_namespace_and_secret()
    installation.install()
    namespace.apply(
        job("early", "true"),
        *(job(name, WAITS, terminationGracePeriodSeconds=1) for name in ("through", "deleted", "released")),
    )
    reader.type("kubectl apply -f examples/hello.yaml")
    reader.type("kubectl wait acj/hello --for=condition=Succeeded --timeout=5m")
    reader.type("kubectl logs --selector app.kubernetes.io/component=operator --namespace airflow-container-job")
    early = ended(namespace, "early")
    for name in ("through", "deleted", "released"):
        until_phase(namespace, name, "Running")
    newer = job("newer", "true", priority=1)
    refused = namespace.kubectl("apply", "-f", "-", stdin=newer, check=False)
    assert 'unknown field "spec.priority"' in refused.stderr

    reader.check_out(VERSION)
    installation.install()
    assert _images(namespace.cluster) == {f"{RELEASED}:{VERSION}"}
    until(
        "the new field is known",
        lambda: namespace.kubectl("apply", "-f", "-", stdin=newer, check=False).returncode == 0,
    )
    assert ended(namespace, "newer")["phase"] == "Succeeded"
    assert namespace.status("early") == early

    installation.uninstall()
    until("no operator runs", lambda: not _images(namespace.cluster), seconds=60)
    namespace.apply(job("meanwhile", "true"))
    namespace.kubectl("exec", namespace.status("through")["podName"], "--", "touch", "/go")
    for name in ("deleted", "released"):
        namespace.delete(name)
    released = namespace.status("released")
    Airflow.of(namespace.cluster.environment).mark(released["dagRunId"], "failed")
    until("Airflow has ended its pod", lambda: namespace.item("pods", released["podName"]) is None, seconds=90)
    reader.type('kubectl patch acj/NAME --type=merge --patch=\'{"metadata": {"finalizers": null}}\'', NAME="released")
    until("nothing holds what was released by hand", lambda: namespace.find_job("released") is None)
    assert namespace.status("through")["phase"] == namespace.status("deleted")["phase"] == "Running"

    installation.install_again(namespace)
    assert ended(namespace, "meanwhile")["phase"] == "Succeeded"
    through = ended(namespace, "through")
    assert (through["phase"], len(through["attempts"])) == ("Succeeded", 1)
    until("what was deleted is gone", lambda: namespace.find_job("deleted") is None, seconds=90)
    assert namespace.status("early") == early


def _images(cluster: Cluster) -> set[str]:
    """Of the operators that run."""
    path = "/api/v1/namespaces/airflow-container-job/pods"
    found = cluster.get(path, labelSelector="app.kubernetes.io/component=operator")
    return {pod["spec"]["containers"][0]["image"] for pod in (found or {"items": ()})["items"]}


def test_rights_for_an_airflow_that_has_none(reader: Reader, namespace: Namespace) -> None:
    """In some namespaces, and in all of them."""
    reader.check_out(VERSION)
    asks = ("auth", "can-i", "create", "pods", "--as=system:serviceaccount:airflow:airflow-triggerer")
    role = "kubectl apply -f manifests/airflow-rights/role.yaml"
    grant = "--clusterrole=airflow-container-job-airflow --serviceaccount=airflow:airflow-triggerer"
    reader.type(role)
    reader.type(f"kubectl create rolebinding airflow-container-job --namespace team-a {grant}", team_a=namespace.name)
    assert namespace.kubectl(*asks).stdout.strip() == "yes"
    assert namespace.cluster.kubectl(*asks, "--namespace=default", check=False).stdout.strip() == "no"
    reader.type(f"kubectl create clusterrolebinding airflow-container-job-everywhere {grant}")
    assert namespace.cluster.kubectl(*asks, "--namespace=default").stdout.strip() == "yes"


def test_the_operator_for_the_official_chart_is_taken(reader: Reader) -> None:
    """All of it but the Secret, which that document has a person make afterwards."""
    reader.check_out(VERSION)
    reader.type("kubectl create namespace airflow-container-job")
    reader.write("our-operator/kustomization.yaml", "../airflow-container-job/manifests/official-chart\n")
    reader.type("kubectl apply -k ../our-operator", "--dry-run=server")
