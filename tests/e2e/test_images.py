"""The images that `make up` has built, as they run in the cluster: what they carry, who they run as, what they tell."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cluster import ROOT, Cluster

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = ("airflow_container_job", "dynamic_pod", "kubectl_acj")
PROGRAMS = ("cc", "gcc", "git", "make", "kubectl-acj")
SEEDS = {"pip", "setuptools"}
"""What a new virtual environment has."""

LOOK = f"""
import importlib.metadata, importlib.util, json, os, pathlib, re, shutil, sys
def normal(name): return re.sub(r"[-_.]+", "-", name).lower()
print(json.dumps(dict(
    uid=os.getuid(),
    distributions=sorted(normal(one.name) for one in importlib.metadata.distributions()),
    ours=[name for name in {OURS} if importlib.util.find_spec(name)],
    programs=[name for name in {PROGRAMS} if shutil.which(name)],
    below=sorted(one.name for one in pathlib.Path("/opt/airflow-container-job").iterdir()),
)))
"""


@dataclass(frozen=True)
class Image:
    """A target of the Dockerfile, and where it runs."""

    target: str
    pod: tuple[str, ...]
    user: str
    ours: list[str]
    beside: frozenset[str]
    """What lies in its folder, beside the wheel."""

    def name(self, cluster: Cluster) -> str:
        path = "jsonpath={.spec.template.spec.containers[0].image}"
        return cluster.kubectl(*self.pod[:2], "get", self.pod[2], "-o", path).stdout

    def inside(self, cluster: Cluster, *command: str) -> str:
        """What a program in a running container of it prints."""
        return cluster.kubectl(*self.pod[:2], "exec", *self.pod[2:], "--", *command).stdout


IMAGES = [
    Image(
        "operator",
        ("-n", "airflow-container-job", "deployment/operator"),
        "65532:65532",
        ["airflow_container_job", "dynamic_pod"],
        frozenset(),
    ),
    Image(
        "airflow",
        ("-n", "airflow", "deployment/airflow", "--container=triggerer"),
        "50000:0",
        ["dynamic_pod"],
        frozenset({"dags"}),
    ),
]
AIRFLOW = IMAGES[1]
(PINNED,) = (
    one.partition("==")[2] for one in PROJECT["optional-dependencies"]["airflow"] if one.startswith("apache-airflow==")
)
each_image = pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.target)


def docker(cluster: Cluster, *words: str) -> str:
    done = subprocess.run(["docker", *words], env=cluster.environment, capture_output=True, text=True, check=True)
    return done.stdout


def required(target: str) -> tuple[set[str], set[str]]:
    """The packages of an image's requirement file: all of them, and those for every machine and Python."""
    lines = re.findall(
        r"^([\w.-]+)(?:\[.*\])?==([^\\\n]*)", (ROOT / f"requirements/{target}.txt").read_text(), re.MULTILINE
    )
    names = {name: ";" in rest for name, rest in lines}
    return set(names), {name for name, marked in names.items() if not marked}


@each_image
def test_it_carries_what_it_needs_and_nothing_else(image: Image, cluster: Cluster) -> None:
    """Neither the other image's dependencies nor what built it; and it does not run as root."""
    seen = json.loads(image.inside(cluster, "python", "-c", LOOK))
    known, always = required(image.target)
    installed = set(seen["distributions"]) - {"airflow-container-job"}
    assert installed <= known | SEEDS
    assert always <= installed
    assert seen["ours"] == image.ours
    assert seen["programs"] == []
    assert {name for name in seen["below"] if not name.endswith(".whl")} == image.beside
    assert seen["uid"] == int(image.user.partition(":")[0])


@each_image
def test_its_root_may_be_read_only(image: Image, cluster: Cluster) -> None:
    """It runs so: nothing in it can be written."""
    done = cluster.kubectl(*image.pod[:2], "exec", *image.pod[2:], "--", "touch", "/opt/venv/written", check=False)
    assert "Read-only file system" in done.stderr


@each_image
def test_it_says_what_it_is(image: Image, cluster: Cluster) -> None:
    config: Any = json.loads(docker(cluster, "image", "inspect", image.name(cluster)))[0]["Config"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert config["User"] == image.user
    assert {"title", "description", "source"} <= set(labels)
    assert (labels["version"], labels["licenses"]) == (PROJECT["version"], "Apache-2.0")
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])


@each_image
def test_its_history_does_not_tell_where_packages_came_from(image: Image, cluster: Cluster) -> None:
    """The address of an index may hold a password."""
    history = docker(cluster, "history", "--no-trunc", "--format={{.CreatedBy}}", image.name(cluster))
    assert "airflow-container-job" in history
    assert "INDEX_URL" not in history


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("bash", "-c", "exec echo started"), "started"),
        (("python", "-c", "print('started')"), "started"),
        (("airflow", "version"), PINNED),
        (("version",), PINNED),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_airflow_is_started_in_all_ways_of_its_official_chart(
    command: tuple[str, ...], said: str, cluster: Cluster
) -> None:
    """Containers by the image's entrypoint, probes by its path."""
    config: Any = json.loads(docker(cluster, "image", "inspect", AIRFLOW.name(cluster)))[0]["Config"]
    (entrypoint,) = config["Entrypoint"]
    assert entrypoint == "/entrypoint"
    assert AIRFLOW.inside(cluster, entrypoint, *command).splitlines()[-1] == said
