"""The workflow for GitHub, as far as it can be judged without it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev import cluster

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    """The workflow's only job."""
    (job,) = yaml.safe_load((ROOT / ".github/workflows/test.yaml").read_text())["jobs"].values()
    return dict(job)


@pytest.fixture(scope="module")
def commands(job: dict[str, Any]) -> str:
    return "\n".join(step["run"] for step in job["steps"] if "run" in step)


def test_it_makes_what_the_makefile_has(job: dict[str, Any], commands: str) -> None:
    targets = job["strategy"]["matrix"]["target"]
    assert {"lint", "test"} < set(targets)
    assert "make ${{ matrix.target }}" in commands.splitlines()
    for target in (*targets, *re.findall(r"\bmake (?:-\S+ )*([a-z][\w-]*)", commands)):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_it_runs_every_suite(job: dict[str, Any]) -> None:
    """Each folder of tests is that of a target which the workflow makes."""
    made = "".join(
        re.findall(rf"^(?:{'|'.join(job['strategy']['matrix']['target'])}): .*\n(?:\t.*\n)+", MAKEFILE, re.MULTILINE)
    )
    suites = {path.parent.name for path in ROOT.glob("tests/*/test_*.py")} | {"unit"}
    assert suites == set(re.findall(r"\btests/(\w+)", made))


def test_it_ends_in_time_and_names_the_cluster_and_files_that_there_are(job: dict[str, Any], commands: str) -> None:
    assert job["timeout-minutes"] <= 90
    assert f"--name {cluster.NAME} " in commands
    (go,) = (step["with"] for step in job["steps"] if "setup-go" in step.get("uses", ""))
    assert all((ROOT / file).is_file() for file in go.values())


def test_collecting_logs_adds_no_second_failure(job: dict[str, Any], tmp_path: Path) -> None:
    """Where nothing was brought up, there is none; lint never has one."""
    afterwards = [step for step in job["steps"] if "failure()" in step.get("if", "")]
    assert [step["if"] for step in afterwards] == ["failure() && matrix.target != 'lint'"] * 2
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "mkdir", "cp"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (script,) = (step["run"] for step in afterwards if "run" in step)
    environment = {"HOME": str(tmp_path), "PATH": str(programs)}
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)


def test_actions_are_pinned_by_major_version(job: dict[str, Any]) -> None:
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", name) for name in used), used
