"""The health expressions in examples/flux, by Flux's rules, over every status of the operator.

The rules are those of its `healthCheckExprs`: a status about another generation is in progress; then `inProgress`,
`failed` and `current` are asked in this order; what none of them says yes to is in progress.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import celpy
import pytest
import yaml
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

from airflow_container_job.status import derive
from tests.unit.operator.builders import NOW
from tests.unit.operator.test_status import CASES, LINKS

Json = dict[str, Any]

EXAMPLE = Path(__file__).parents[2] / "examples/flux/shop.yaml"
*_, KUSTOMIZATION = yaml.safe_load_all(EXAMPLE.read_text())
(EXPRESSIONS,) = KUSTOMIZATION["spec"]["healthCheckExprs"]
STATUS = {"Succeeded": "Current", "Failed": "Failed"}


def says(expression: str, resource: Json) -> bool:
    environment = celpy.Environment()
    program = environment.program(environment.compile(expression))
    return bool(program.evaluate({key: json_to_cel(value) for key, value in resource.items()}))


def health(resource: Json) -> str:
    if resource["status"]["observedGeneration"] != resource["metadata"]["generation"]:
        return "InProgress"
    for name, status in (("inProgress", "InProgress"), ("failed", "Failed"), ("current", "Current")):
        if name in EXPRESSIONS and says(EXPRESSIONS[name], resource):
            return status
    return "InProgress"


def test_they_are_about_our_kind() -> None:
    assert (EXPRESSIONS["apiVersion"], EXPRESSIONS["kind"]) == ("acj.dev/v1alpha1", "AirflowContainerJob")


@pytest.mark.parametrize("name", CASES)
def test_every_status_that_the_operator_writes(name: str) -> None:
    job, facts, _ = CASES[name]
    status = derive(job, facts, LINKS, NOW)
    resource = {"metadata": {"generation": job.generation}, "status": status}
    assert health(resource) == STATUS.get(status["phase"], "InProgress")
    later = resource | {"metadata": {"generation": job.generation + 1}}
    assert health(later) == "InProgress"


def test_a_resource_without_a_status_is_neither_current_nor_failed() -> None:
    """Flux takes an expression that cannot be evaluated for no answer yet, and asks again."""
    for name in ("failed", "current"):
        with pytest.raises(CELEvalError):
            says(EXPRESSIONS[name], {"metadata": {"generation": 1}})
