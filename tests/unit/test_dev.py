"""What brings everything up, as far as it can be judged without a cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from dev import airflow, images, install, machine, settings, venv
from dev.errors import Stop
from dev.run import run
from tests.support.fake_airflow import FakeAirflow


@pytest.mark.parametrize(
    ("version", "options"),
    [
        ("1.41 linux/amd64", []),
        ("1.47 linux/arm64", []),
        ("1.48 linux/amd64", ["--platform=linux/amd64"]),
        ("1.52 linux/arm64", ["--platform=linux/arm64"]),
        ("2.0 linux/amd64", ["--platform=linux/amd64"]),
    ],
)
def test_one_platform_is_saved_where_docker_can_tell_them_apart(version: str, options: list[str]) -> None:
    """An image that was pulled names platforms that were not; an older Docker would refuse the option."""
    assert images._one_platform(version) == options


def test_nodes_of_a_cluster_that_is_not_ours_open_no_port() -> None:
    service = (Path(__file__).parents[2] / "manifests/airflow/service.yaml").read_text()
    as_kustomize_prints_it = yaml.safe_dump(yaml.safe_load(service))
    changed = yaml.safe_load(install._without_node_port(as_kustomize_prints_it))
    assert changed["spec"]["type"] == "ClusterIP"
    assert changed["spec"]["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]


@pytest.mark.parametrize(
    ("waiting", "late", "named"),
    [
        ([], False, ""),
        ([("airflow-1", "scheduler", "ContainerCreating", 0)], False, ""),
        ([("airflow-1", "scheduler", "CrashLoopBackOff", 3)], False, ""),
        ([("airflow-1", "scheduler", "CrashLoopBackOff", 4)], False, "logs airflow-1 -c scheduler"),
        ([("airflow-1", "scheduler", "ErrImagePull", 0)], False, "image of scheduler"),
        ([("airflow-1", "scheduler", "ContainerCreating", 0)], True, "logs airflow-1 -c scheduler"),
        ([], True, "describe deployments,replicasets,pods"),
    ],
)
def test_waiting_for_pods_ends_in_time_also_where_there_are_none(
    waiting: list[tuple[str, str, str, int]], late: bool, named: str
) -> None:
    why = install._hopeless("airflow", waiting, late=late)
    assert named in why
    assert bool(why) == bool(named)


def test_a_policy_for_services_is_ours_only_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(machine, "_POLICY", policy)
    monkeypatch.setattr(machine, "is_root", lambda: True)
    with machine.no_services_started():
        assert subprocess.run([policy, "docker", "start"], check=False).returncode == 101
    assert not policy.exists()
    policy.write_text("somebody's own")
    with machine.no_services_started():
        assert policy.read_text() == "somebody's own"
    machine.allow_services()
    assert policy.read_text() == "somebody's own"


def test_airflow_on_this_machine_is_not_asked_for_by_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with FakeAirflow() as fake:
        assert "scheduler" in airflow._request(f"{fake.url}/api/v2/monitor/health")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"PIP_INDEX_URL": ""}, {}),
        ({"PIP_INDEX_URL": "https://a/simple"}, {"UV_DEFAULT_INDEX": "https://a/simple"}),
        ({"PIP_INDEX_URL": "https://a/simple", "UV_DEFAULT_INDEX": "https://b/simple"}, {}),
        ({"PIP_INDEX_URL": "https://a/simple", "UV_INDEX_URL": "https://b/simple"}, {}),
        ({"PIP_EXTRA_INDEX_URL": "https://a/simple\nhttps://b"}, {"UV_INDEX": "https://a/simple https://b"}),
        ({"PIP_FIND_LINKS": "/wheels https://a/wheels"}, {"UV_FIND_LINKS": "/wheels,https://a/wheels"}),
    ],
)
def test_uv_finds_packages_where_pip_does(environment: dict[str, str], told: dict[str, str]) -> None:
    assert venv._sources(environment) == told


def test_a_program_for_another_machine_is_named(tmp_path: Path) -> None:
    """As the kubectl of a Linux node is on a Mac."""
    program = tmp_path / "kubectl"
    program.write_bytes(b"\x7fNOT-ELF")
    program.chmod(0o755)
    with pytest.raises(Stop, match=f"^{program} is no program for this machine"):
        run(program, "version")


@pytest.mark.parametrize(("text", "port"), [("", None), ("1", 1), ("65535", 65535)])
def test_a_port(text: str, port: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_PORT", text)
    assert settings.airflow_port() == port


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http"])
def test_what_is_no_port_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_PORT", text)
    with pytest.raises(Stop, match=f"^AIRFLOW_PORT={text} is not a number from 1 to 65535"):
        settings.airflow_port()


def test_the_operator_rolls_when_people_reach_airflow_elsewhere() -> None:
    """The settings get another name then, as from kustomize when their content changes."""
    manifests = "name: operator-settings-abc123\nACJ_AIRFLOW_UI_URL: http://127.0.0.1:8080\nimage: a:dev\n"
    here = install._fitted(manifests, {}, "http://127.0.0.1:8080")
    elsewhere = install._fitted(manifests, {"a:dev": "a:1"}, "http://127.0.0.1:9090")
    assert here == manifests
    assert elsewhere == "name: operator-settings-abc123-9090\nACJ_AIRFLOW_UI_URL: http://127.0.0.1:9090\nimage: a:1\n"
