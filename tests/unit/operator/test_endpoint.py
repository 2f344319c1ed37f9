"""What the operator answers about itself, over HTTP, and that the manifests ask for just that."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from airflow_container_job.endpoint import serving
from airflow_container_job.health import Health
from airflow_container_job.settings import Settings

MANIFESTS = Path(__file__).parents[3] / "manifests"

Answer = tuple[int, str, str]


def answers(health: Health, *paths: str) -> list[Answer]:
    """Status, type and text that a server of these checks gives."""

    async def ask() -> list[Answer]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        async with serving("127.0.0.1", port, health), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            found = []
            for path in paths:
                async with session.get(path) as answer:
                    found.append((answer.status, answer.content_type, await answer.text()))
            return found

    return asyncio.run(ask())


@pytest.mark.parametrize(("problem", "alive", "ready"), [("", 200, 200), ("no answer", 200, 503)])
def test_readiness_fails_alone(problem: str, alive: int, ready: int) -> None:
    health = Health()
    health.require_live("workers", lambda: "")
    health.require_ready("airflow", lambda: problem)
    livez, readyz = answers(health, "/livez", "/readyz")
    assert livez == (alive, "text/plain", "[+]workers ok\n")
    last = "[-]airflow failed: no answer\n" if problem else "[+]airflow ok\n"
    assert readyz == (ready, "text/plain", "[+]workers ok\n" + last)


def test_what_fails_liveness_fails_readiness() -> None:
    health = Health()
    health.require_live("workers", lambda: "stuck")
    assert [status for status, _, _ in answers(health, "/livez", "/readyz")] == [503, 503]


def test_metrics_are_in_the_format_of_prometheus() -> None:
    ((status, kind, text),) = answers(Health(), "/metrics")
    assert (status, kind) == (200, "text/plain")
    assert "# TYPE acj_jobs gauge\n" in text
    assert 'acj_jobs{phase="Pending",reason="Held"} ' in text


def test_an_address_that_is_taken_is_an_error() -> None:
    async def start() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            async with serving("127.0.0.1", taken.getsockname()[1], Health()):
                pass

    with pytest.raises(OSError, match="address already in use"):
        asyncio.run(start())


def test_the_manifests_ask_where_the_operator_answers() -> None:
    (container,) = load("base/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert Settings.model_fields["listen"].default.endswith(f":{port['containerPort']}")
    assert "ACJ_LISTEN" not in {one["name"] for one in container["env"]}
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    paths = {name: probe["path"] for name, probe in probes.items()}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_the_service_and_its_monitor_find_the_operator() -> None:
    template = load("base/deployment.yaml")["spec"]["template"]
    service, monitor = load("monitoring/service.yaml"), load("monitoring/servicemonitor.yaml")
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (port,), (endpoint,) = service["spec"]["ports"], monitor["spec"]["endpoints"]
    assert endpoint["port"] == port["name"]
    assert port["targetPort"] == template["spec"]["containers"][0]["ports"][0]["name"]
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "airflow-container-job"


def load(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((MANIFESTS / path).read_text())
    return found
