"""The metrics keep Prometheus' rules, name no job, and are those that the manifests and the reference speak of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from airflow_container_job import metrics
from airflow_container_job.airflow_http import _outcome, judge
from airflow_container_job.errors import AirflowDenied, AirflowError, AirflowUnreachable

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "manifests" / "monitoring"
GUIDE = ROOT / "docs" / "how-to" / "monitoring.md"

WORDS = {"namespace", "name", "uid", "dag_id", "dag_run_id", "pod", "job"}
"""Labels that would name what there may be any number of, or that Prometheus sets itself."""


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ()))


def exposed() -> dict[str, set[str]]:
    """Name of each series -> the labels it may have."""
    found: dict[str, set[str]] = {}
    for metric in metrics.ours():
        for family in metric.describe():
            labels = set(metric._labelnames)
            for suffix in {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}.get(
                family.type, ("",)
            ):
                found[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    for family in text_string_to_metric_families(generate_latest(metrics.REGISTRY).decode()):
        if family.name.startswith("process_"):
            found |= {sample.name: set(sample.labels) for sample in family.samples}
    return found


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_metric_and_label_that_the_manifests_name_exists(expression: str) -> None:
    known = exposed()
    named = re.findall(r"\b((?:acj|process)_\w+)(?:\{([^}]*)\})?", expression)
    assert named
    for name, selector in named:
        assert name in known
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            assert label in known[name] | {"job"}, f"{name} has no label {label}"


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_label_value_that_the_manifests_name_exists(expression: str) -> None:
    values = {
        "phase": {sample.labels["phase"] for family in metrics.JOBS.collect() for sample in family.samples},
        "reason": {sample.labels["reason"] for family in metrics.JOBS.collect() for sample in family.samples},
        "outcome": set(metrics.OUTCOMES),
        "method": set(metrics.METHODS),
    }
    for label, said in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"", expression):
        if label in values:
            assert set(said.split("|")) <= values[label]


def test_names_follow_prometheus_and_help_is_a_sentence() -> None:
    for metric in metrics.ours():
        for family in metric.describe():
            assert family.name.startswith("acj_")
            assert family.documentation.endswith(".")
            assert family.type != "histogram" or family.name.endswith("_seconds")
            assert "milli" not in family.name


def test_no_metric_names_a_job() -> None:
    for metric in metrics.ours():
        assert not WORDS & set(metric._labelnames), metric


def test_the_number_of_series_does_not_depend_on_what_happens() -> None:
    assert len(generate_latest(metrics.REGISTRY).splitlines()) < 400


def test_each_alert_has_its_place_in_the_guide() -> None:
    headings = {line.lstrip("#").strip() for line in GUIDE.read_text().splitlines() if line.startswith("#")}
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/how-to/monitoring.md#{rule['alert'].lower()}"
        assert rule["alert"] in headings


def test_panels_are_told_apart_and_explained() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] == "row" or (panel["title"] and panel["description"])


@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_the_outcome_of_a_request_is_counted_as_it_is_judged(status: int) -> None:
    try:
        judge(status, b"{}")
        meant = "ok"
    except AirflowDenied:
        meant = "denied"
    except AirflowUnreachable:
        meant = "error"
    except AirflowError:
        meant = "refused"
    assert _outcome(status) == meant
