"""The health check and the actions for Argo CD: its own tests' files, every status of the operator, the patch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import lupa.lua51
import pytest
import yaml

from airflow_container_job.job import Job
from airflow_container_job.status import derive
from tests.unit.operator.builders import NOW
from tests.unit.operator.test_status import CASES, LINKS

FOLDER = Path(__file__).parents[2] / "manifests/argo-cd"
KIND = FOLDER / "resource_customizations/acj.dev/AirflowContainerJob"
HEALTH_TESTS = yaml.safe_load((KIND / "health_test.yaml").read_text())["tests"]
ACTIONS = yaml.safe_load((KIND / "actions/action_test.yaml").read_text())
HEALTH = {
    "Pending": "Progressing",
    "Queued": "Progressing",
    "Running": "Progressing",
    "Succeeded": "Healthy",
    "Failed": "Degraded",
    "Suspended": "Suspended",
}

Json = dict[str, Any]


def run(script: str, resource: Json) -> Json:
    """Run Lua 5.1 with the resource as `obj`, as Argo CD does, and with no library that it leaves out."""
    lua = lupa.lua51.LuaRuntime(unpack_returned_tuples=False)
    lua.execute("io, string, math, debug, os, python = nil, nil, nil, nil, nil, nil")
    lua.globals()["obj"] = lua.table_from(resource, recursive=True)
    found: Json = plain(lua.execute((KIND / script).read_text()))
    return found


def plain(value: Any) -> Any:
    if lupa.lua51.lua_type(value) != "table":
        return value
    found = {key: plain(each) for key, each in value.items()}
    return list(found.values()) if found and set(found) == set(range(1, len(found) + 1)) else found


def load(folder: Path, name: str) -> Json:
    found: Json = yaml.safe_load((folder / name).read_text())
    return found


@pytest.mark.parametrize("case", HEALTH_TESTS, ids=lambda case: case["inputPath"])
def test_health(case: Json) -> None:
    assert run("health.lua", load(KIND, case["inputPath"])) == case["healthStatus"]


def test_each_phase_has_a_health_test() -> None:
    seen = {load(KIND, case["inputPath"]).get("status", {}).get("phase") for case in HEALTH_TESTS}
    assert seen == {*HEALTH, None}


@pytest.mark.parametrize("name", CASES)
def test_health_of_every_status_that_the_operator_writes(name: str) -> None:
    job, facts, _ = CASES[name]
    resource = written(job, derive(job, facts, LINKS, NOW))
    health = run("health.lua", resource)
    assert health["status"] == HEALTH[resource["status"]["phase"]]
    assert health["message"].startswith(resource["status"]["reason"])
    later = resource | {"metadata": {"generation": job.generation + 1}}
    assert run("health.lua", later)["status"] == "Progressing", "the status is about an earlier spec"


@pytest.mark.parametrize("name", CASES)
def test_discovery_for_every_status_that_the_operator_writes(name: str) -> None:
    """Nothing is offered that would do nothing."""
    job, facts, _ = CASES[name]
    resource = written(job, derive(job, facts, LINKS, NOW))
    over = resource["status"]["phase"] in ("Succeeded", "Failed")
    offered = {action for action, said in run("actions/discovery.lua", resource).items() if not said["disabled"]}
    assert ("stop" in offered) is not (over or job.shut_down)
    assert ("suspend" in offered) is not (over or job.shut_down or job.suspended)
    assert ("resume" in offered) is job.suspended
    assert ("run-again" in offered) is ("dagRunId" in resource["status"] and not job.suspended)


def written(job: Job, status: Json) -> Json:
    return {"metadata": {"generation": job.generation}, "spec": dict(job.spec), "status": status}


@pytest.mark.parametrize("case", ACTIONS["discoveryTests"], ids=lambda case: case["inputPath"])
def test_discovery(case: Json) -> None:
    offered = run("actions/discovery.lua", load(KIND / "actions", case["inputPath"]))
    assert [{"name": name} | offered[name] for name in sorted(offered)] == case["result"]


@pytest.mark.parametrize("case", ACTIONS["actionTests"], ids=lambda case: f"{case['action']} {case['inputPath']}")
def test_action(case: Json) -> None:
    folder = KIND / "actions"
    made = run(f"actions/{case['action']}/action.lua", load(folder, case["inputPath"]))
    assert made == load(folder, case["expectedOutputPath"])


def test_each_action_is_offered_and_tested() -> None:
    scripts = {path.parent.name for path in KIND.glob("actions/*/action.lua")}
    assert scripts == {case["action"] for case in ACTIONS["actionTests"]}
    for case in ACTIONS["discoveryTests"]:
        assert {said["name"] for said in case["result"]} == scripts


def test_run_again_twice_asks_for_one_run() -> None:
    resource = load(KIND, "testdata/succeeded.yaml")
    once = run("actions/run-again/action.lua", resource)
    assert once["spec"]["rerun"]
    assert run("actions/run-again/action.lua", once) == once


def test_the_patch_is_what_the_files_make() -> None:
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.generate() == (FOLDER / "argocd-cm.yaml").read_text(), "run `make argo-cd`"
