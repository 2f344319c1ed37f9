"""One version in all places that name it: each is what a person gets from this checkout."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from tests.support.cluster import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
(AIRFLOW,) = (
    one.partition("==")[2] for one in PROJECT["optional-dependencies"]["airflow"] if one.startswith("apache-airflow==")
)
VALUES = yaml.safe_load((ROOT / "manifests/official-chart/values-image.yaml").read_text())
DOCUMENT = (ROOT / "docs/how-to/install.md").read_text()


@pytest.mark.parametrize("folder", ["manifests", "manifests/official-chart"])
def test_manifests(folder: str) -> None:
    kustomization = yaml.safe_load((ROOT / folder / "kustomization.yaml").read_text())
    assert [image["newTag"] for image in kustomization["images"]] == [VERSION]


def test_chart() -> None:
    chart = yaml.safe_load((ROOT / "charts/airflow-container-job/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_labels_of_the_images() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^ARG VERSION=(.*)$", dockerfile, re.MULTILINE) == [VERSION, VERSION]


def test_values_for_the_official_chart() -> None:
    assert (VALUES["images"]["airflow"]["tag"], VALUES["airflowVersion"]) == (VERSION, AIRFLOW)


def test_document() -> None:
    assert set(re.findall(r"airflow-container-job/\w+:([\w.]+)", DOCUMENT)) == {VERSION}
    assert set(re.findall(r"apache/airflow:([\w.]+)", DOCUMENT)) == {AIRFLOW}
