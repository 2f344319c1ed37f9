"""What the API server takes and what it refuses, and that a refusal names the field.

For each constraint of the schema there is something accepted and something refused, through `kubectl apply`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from airflow_container_job.decision import NOT_EXECUTION
from tests.integration.crd_accepted import ACCEPTED, STATUS_ACCEPTED, conditioned
from tests.integration.crd_refused import REFUSED, STATUS_REFUSED
from tests.support.cluster import CRD, PLURAL, ROOT, Cluster, Json, Namespace, manifest

FULL = ROOT / "tests" / "data" / "full.yaml"


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Namespace]:
    """One namespace for the whole table: nearly all of it is a dry run."""
    with cluster.namespace() as namespace:
        yield namespace


def apply(place: Namespace, spec: Json) -> subprocess.CompletedProcess[str]:
    body = manifest("table", **spec)
    body["spec"] = {key: value for key, value in body["spec"].items() if value is not None}
    return place.kubectl("apply", "--dry-run=server", "-f", "-", stdin=body, check=False)


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(place: Namespace, spec: Json) -> None:
    done = apply(place, spec)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("spec", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_with_the_fields_path(place: Namespace, spec: Json, words: str) -> None:
    done = apply(place, spec)
    assert done.returncode != 0
    assert words in done.stderr


def test_every_field_is_accepted_and_kept_as_written(place: Namespace) -> None:
    """The one thing added is a port's protocol, part of the key of the list of ports."""
    full = yaml.safe_load(FULL.read_text())
    assert full["spec"].keys() == schema()["properties"]["spec"]["properties"].keys()
    place.apply(full)
    expected = full["spec"]
    expected["initContainers"][1]["ports"][0]["protocol"] = "TCP"
    assert place.job("full")["spec"] == expected


def test_defaults(place: Namespace) -> None:
    place.apply(manifest("defaults"))
    spec = place.job("defaults")["spec"]
    assert spec == manifest("defaults")["spec"] | {"suspend": False, "rerunPolicy": "OnSpecChange"}


def test_no_default_would_override_a_dag_of_ones_own(place: Namespace) -> None:
    """What the API server fills in would travel in conf, and win over what the DAG's author has said."""
    place.apply(manifest("own", dagId="own", image=None))
    spec = place.job("own")["spec"]
    assert spec.keys() - NOT_EXECUTION == {"command", "dagId"}


def test_the_default_of_a_condition_is_that_it_holds(place: Namespace) -> None:
    place.apply(manifest("condition", podFailurePolicy={"rules": [conditioned(type="a")]}))
    (rule,) = place.job("condition")["spec"]["podFailurePolicy"]["rules"]
    assert rule == conditioned(type="a", status="True")


@pytest.mark.parametrize(("length", "fine"), [(63, True), (64, False)])
def test_the_name_fits_into_a_label(place: Namespace, length: int, fine: bool) -> None:
    done = place.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest("n" * length), check=False)
    assert (done.returncode == 0) is fine
    assert fine or "metadata.name: Too long" in done.stderr


@pytest.mark.parametrize("status", STATUS_ACCEPTED.values(), ids=STATUS_ACCEPTED)
def test_status_accepted_and_kept(place: Namespace, status: Json) -> None:
    place.apply(manifest("status"))
    replace_status(place, status)
    assert place.status("status") == status


@pytest.mark.parametrize(("status", "words"), STATUS_REFUSED.values(), ids=STATUS_REFUSED)
def test_status_refused_with_the_fields_path(place: Namespace, status: Json, words: str) -> None:
    place.apply(manifest("status"))
    with pytest.raises(AssertionError) as refusal:
        replace_status(place, status)
    assert words in str(refusal.value)


def replace_status(place: Namespace, status: Json) -> None:
    """Not by a patch: from there the API server drops unknown fields with a warning only."""
    place.kubectl("replace", "--subresource=status", "-f", "-", stdin=place.job("status") | {"status": status})


def test_applying_cannot_write_the_status(place: Namespace) -> None:
    place.apply(manifest("forged") | {"status": {"phase": "Succeeded"}})
    assert place.status("forged") == {}


def test_columns(place: Namespace) -> None:
    place.apply(manifest("columns"))
    replaced = {"phase": "Failed", "reason": "Error", "attempt": 2, "exitCode": 3, "podName": "p", "dagRunId": "r"}
    place.write_status(PLURAL, "columns", replaced | {"startTime": "2000-01-01T00:00:00Z"})
    head, row = (line.split() for line in place.kubectl("get", "acj", "columns", "-o", "wide").stdout.splitlines())
    assert head == ["NAME", "PHASE", "REASON", "ATTEMPTS", "EXIT", "START", "AGE", "POD", "DAGRUN", "IMAGE"]
    assert row[:5] == ["columns", "Failed", "Error", "2", "3"]
    assert row[5].endswith("y")
    assert row[7:] == ["p", "r", "busybox:1.35"]
    narrow = place.kubectl("get", "acj", "columns").stdout.splitlines()[0].split()
    assert narrow == head[:7]


def test_the_resource_is_in_the_category_all(place: Namespace) -> None:
    place.apply(manifest("listed"))
    assert f"{PLURAL[:-1]}.acj.dev/listed" in place.kubectl("get", "all", "-o", "name").stdout


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("acj.spec", "image\t<string>\n"),
        ("acj.spec.volumes", "configMap\t<Object>"),
        ("acj.spec.podFailurePolicy.rules", "onExitCodes\t<Object>"),
        ("acj.spec.rerunPolicy", "OnSpecChange\n    Never"),
        ("acj.spec.affinity.nodeAffinity", "requiredDuringScheduling"),
        ("acj.status", "enum: Pending, Queued, Running"),
    ],
)
def test_kubectl_explains(cluster: Cluster, path: str, words: str) -> None:
    assert words in cluster.kubectl("explain", path).stdout


def test_the_schema_takes_no_unknown_field_at_any_depth() -> None:
    assert list(open_places(schema(), "")) == [".spec.params", ".status.result"]


def test_an_unknown_field_is_refused_wherever_it_stands(place: Namespace) -> None:
    """In every object of a resource that has all fields, also in the midst of lists and maps."""
    full = yaml.safe_load(FULL.read_text())
    places = list(misspell(full["spec"], schema()["properties"]["spec"], "spec"))
    assert len(places) > 60
    done = place.kubectl("apply", "--dry-run=server", "-f", "-", stdin=full, check=False)
    assert [path for path in places if f'unknown field "{path}.typo"' not in done.stderr] == []


def misspell(value: Any, node: Json, path: str) -> Iterator[str]:
    """Put an unknown field into every object that has named fields; yields where."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from misspell(item, node["items"], f"{path}[{index}]")
    elif "properties" in node:
        for name, child in value.items():
            yield from misspell(child, node["properties"][name], f"{path}.{name}")
        value["typo"] = 1
        yield path


def open_places(node: Json, path: str) -> Iterator[str]:
    """Where the schema lets anything through."""
    untyped = not node.keys() & {"type", "x-kubernetes-int-or-string"}
    bare = node.get("type") == "object" and not node.keys() & {"properties", "additionalProperties"}
    if node.get("x-kubernetes-preserve-unknown-fields") or untyped or bare:
        yield path
    for name, child in node.get("properties", {}).items():
        yield from open_places(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from open_places(node[key], f"{path}[]")


def schema() -> Any:
    return yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_the_crd_and_its_reference_are_what_the_generator_makes(cluster: Cluster) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crds.generate", "--check"],
        cwd=ROOT,
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
