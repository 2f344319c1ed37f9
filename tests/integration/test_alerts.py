"""The alert rules, as Prometheus itself reads and evaluates them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import ROOT
from tests.support.promtool import promtool

RULES = ROOT / "manifests" / "monitoring" / "rules.yaml"
DASHBOARD = RULES.with_name("dashboard.json")
TESTS = Path(__file__).with_name("alerts.yaml")

Check = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """promtool in a folder with the rules, taken out of their Kubernetes resource, and their tests."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(yaml.safe_load(RULES.read_text())["spec"]))
    shutil.copy(TESTS, tmp_path)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [promtool(), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_prometheus_accepts_the_rules(check: Check) -> None:
    done = check("check", "rules", "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_it_should_and_only_then(check: Check) -> None:
    done = check("test", "rules", "alerts.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_understands_what_the_dashboard_asks(check: Check, tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    records = [{"record": f"panel:{at}", "expr": one.replace("$__rate_interval", "5m")} for at, one in enumerate(asked)]
    (tmp_path / "dashboard.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))
    done = check("check", "rules", "dashboard.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_seen_to_fire() -> None:
    fired = {
        one["alertname"]
        for test in yaml.safe_load(TESTS.read_text())["tests"]
        for one in test.get("alert_rule_test", ())
        if one["exp_alerts"]
    }
    (group,) = yaml.safe_load(RULES.read_text())["spec"]["groups"]
    assert fired == {rule["alert"] for rule in group["rules"]}
