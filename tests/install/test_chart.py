"""The Helm chart says what manifests/ says, and refuses values that are none. Needs no cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_container_job.settings import Settings
from tests.support.cluster import CRD, ROOT, Json
from tests.support.helm import CHART, Helm

TRIGGERER = "airflowServiceAccounts[0].namespace=airflow,airflowServiceAccounts[0].name=airflow-triggerer"


class Objects:
    """What an installation makes."""

    def __init__(self, text: str) -> None:
        self.all: Sequence[Json] = [one for one in yaml.safe_load_all(text) if one]

    def of(self, kind: str, suffix: str = "") -> list[Json]:
        return [one for one in self.all if one["kind"] == kind and one["metadata"]["name"].endswith(suffix)]

    def one(self, kind: str, suffix: str = "") -> Json:
        (found,) = self.of(kind, suffix)
        return found

    def pod(self) -> Json:
        """The operator's pod, with its settings in place of the name of the ConfigMap they are in, and no account."""
        spec: Json = self.one("Deployment", "")["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        (source,) = container["envFrom"]
        settings = self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        return spec | {"serviceAccountName": None, "containers": [container | {"envFrom": settings}]}


@pytest.fixture(scope="session")
def manifests() -> Objects:
    rendered = subprocess.run(
        ["kubectl", "kustomize", ROOT / "manifests" / "official-chart"], capture_output=True, text=True, check=True
    )
    return Objects(rendered.stdout)


def template(helm: Helm, *values: str) -> Objects:
    done = helm(
        "template", "acj", CHART, "--namespace=acj", *(word for one in values for word in ("--set-string", one))
    )
    assert done.returncode == 0, done.stderr
    return Objects(done.stdout)


@pytest.fixture(scope="session")
def chart(helm: Helm) -> Objects:
    return template(helm, TRIGGERER, "settings.ACJ_MAX_IN_FLIGHT=2000")


def test_lint(helm: Helm) -> None:
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_operator_is_the_same(chart: Objects, manifests: Objects) -> None:
    ours, theirs = (objects.one("Deployment")["spec"] for objects in (chart, manifests))
    assert chart.pod() == manifests.pod()
    assert [ours[key] for key in ("replicas", "strategy")] == [theirs[key] for key in ("replicas", "strategy")]


@pytest.mark.parametrize(("here", "there"), [("-operator", "-operator"), ("-triggerer", "-airflow")])
def test_the_rights_are_the_same(here: str, there: str, chart: Objects, manifests: Objects) -> None:
    assert chart.one("ClusterRole", here)["rules"] == manifests.one("ClusterRole", there)["rules"]


def test_the_rights_go_to_those_who_need_them(chart: Objects) -> None:
    deployment = chart.one("Deployment")
    account = {"name": deployment["spec"]["template"]["spec"]["serviceAccountName"], "namespace": "acj"}
    assert chart.one("ServiceAccount")["metadata"]["name"] == account["name"]
    assert chart.one("ClusterRoleBinding", "-operator")["subjects"] == [{"kind": "ServiceAccount"} | account]
    triggerer = {"kind": "ServiceAccount", "namespace": "airflow", "name": "airflow-triggerer"}
    assert chart.one("ClusterRoleBinding", "-triggerer")["subjects"] == [triggerer]


def test_no_rights_outside_of_the_namespaces_served(helm: Helm) -> None:
    served = template(helm, TRIGGERER, "namespaces[0]=team-a", "namespaces[1]=team-b")
    assert served.of("ClusterRoleBinding") == []
    for whose in ("-operator", "-triggerer"):
        assert [one["metadata"]["namespace"] for one in served.of("RoleBinding", whose)] == ["team-a", "team-b"]
    assert served.pod()["containers"][0]["envFrom"]["ACJ_NAMESPACES"] == "team-a,team-b"


def test_an_airflow_that_has_its_rights_gets_none(helm: Helm) -> None:
    assert template(helm).of("ClusterRole", "-triggerer") == []


def test_the_definition_stays_when_the_release_goes(chart: Objects) -> None:
    crd = chart.one("CustomResourceDefinition")
    assert crd["spec"] == yaml.safe_load(CRD.read_text())["spec"]
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_definition_can_be_left_to_others(helm: Helm) -> None:
    done = helm("template", "acj", CHART, "--set=crds.install=false")
    assert Objects(done.stdout).of("CustomResourceDefinition") == []


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("airfow.url=http://a", "'airfow' not allowed"),
        ("airflow.url=airflow:8080", "/airflow/url"),
        ("airflow.password=secret", "'password' not allowed"),
        ("settings.ACJ_MAX_INFLIGHT=5", "'ACJ_MAX_INFLIGHT' not allowed"),
        ("settings.ACJ_NAMESPACES=a", "'ACJ_NAMESPACES' not allowed"),
        ("namespaces[0]=Team_A", "/namespaces/0"),
        ("airflowServiceAccounts[0].name=airflow", "missing property 'namespace'"),
    ],
)
def test_a_value_that_is_none_is_refused_by_its_name(helm: Helm, value: str, named: str) -> None:
    done = helm("template", "acj", CHART, "--set-string", value)
    assert done.returncode != 0
    assert named in done.stderr


def test_a_chart_that_depends_on_this_one_may_have_a_condition(helm: Helm) -> None:
    """Helm gives a dependency the value by which it is switched on, too."""
    done = helm("template", "acj", CHART, "--set=enabled=true")
    assert done.returncode == 0, done.stderr


def test_what_is_added_to_the_pod_comes_beside_its_own(helm: Helm, tmp_path: Path) -> None:
    more: Json = {
        "env": [{"name": "SSL_CERT_FILE", "value": "/etc/ca/ca.crt"}],
        "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "volumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
        "podLabels": {"team": "harbour"},
        "podAnnotations": {"example.com/scrape": "true"},
    }
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(more))
    done = helm("template", "acj", CHART, f"--values={values}")
    assert done.returncode == 0, done.stderr
    found = Objects(done.stdout).one("Deployment")["spec"]["template"]
    (container,) = found["spec"]["containers"]
    assert [one["name"] for one in container["env"]] == ["ACJ_AIRFLOW_CREDENTIALS", "SSL_CERT_FILE"]
    assert container["volumeMounts"][-1] == more["volumeMounts"][0]
    assert [one["name"] for one in found["spec"]["volumes"]] == ["credentials", "tmp", "ca"]
    assert found["metadata"]["labels"]["team"] == "harbour"
    assert found["metadata"]["annotations"].keys() == {"checksum/settings", "example.com/scrape"}


def test_every_setting_of_the_operator_can_be_given(chart: Objects) -> None:
    """Either in `settings`, or by a value or a template of the chart's own."""
    schema: Any = json.loads((CHART / "values.schema.json").read_text())
    (container,) = chart.pod()["containers"]
    fixed = {one["name"] for one in container["env"]}
    by_value = {"ACJ_AIRFLOW_URL", "ACJ_AIRFLOW_UI_URL", "ACJ_NAMESPACES"}
    free = set(schema["properties"]["settings"]["properties"])
    assert free.isdisjoint(fixed | by_value)
    assert free | fixed | by_value == {f"ACJ_{name.upper()}" for name in Settings.model_fields}


def test_notes_name_what_is_left_to_do(helm: Helm) -> None:
    done = helm("install", "acj", CHART, "--dry-run=client", "--namespace=acj", "--set=namespaces={team-a}")
    assert "kubectl -n acj create secret generic airflow-credentials" in done.stdout, done.stderr
    assert "kubectl -n team-a create -f -" in done.stdout
