"""From an Airflow connection to the way into its cluster, and credentials that stay good for as long as it is used."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import certifi
import pytest

from dynamic_pod import access, connection
from dynamic_pod.access import Access
from dynamic_pod.api import Api, ApiError
from tests.support.wait import until
from tests.unit.dynamic_pod.fake_cluster import NAMESPACE, Clock, FakeCluster

DAGS = Path(connection.__file__).parents[1]

PLUGIN = """#!/bin/sh
echo ran >> {runs}
cat {answer}
"""


@pytest.fixture(autouse=True)
def _no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a pod has for its ServiceAccount."""
    for name, text in {"token": "one", "namespace": "airflow", "ca.crt": Path(certifi.where()).read_text()}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(access, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return tmp_path


def kubeconfig(user: dict[str, Any], server: str = "https://one") -> dict[str, Any]:
    names = {"one": server, "two": "https://two"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in names],
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in names.items()],
        "users": [{"name": "u", "user": user}],
    }


class Plugin:
    """An exec plugin, as clouds have them for their clusters."""

    def __init__(self, folder: Path) -> None:
        self._answer, self._runs, self.path = folder / "answer", folder / "runs", folder / "plugin"
        self.path.write_text(PLUGIN.format(runs=self._runs, answer=self._answer))
        self.path.chmod(0o755)

    def answer(self, token: str, life: timedelta | None) -> None:
        ends = {} if life is None else {"expirationTimestamp": f"{datetime.now(UTC) + life:%Y-%m-%dT%H:%M:%SZ}"}
        version = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
        self._answer.write_text(json.dumps(version | {"status": {"token": token} | ends}))

    def fail(self) -> None:
        self._answer.unlink()

    def runs(self) -> int:
        return len(self._runs.read_text().splitlines())

    def kubeconfig(self, server: str = "https://one") -> dict[str, Any]:
        version = "client.authentication.k8s.io/v1"
        return kubeconfig({"exec": {"apiVersion": version, "command": str(self.path)}}, server)


def reached(
    extra: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    then: Callable[[Access, Clock], Awaitable[None]] | None = None,
) -> tuple[Access, str]:
    """Read a connection with these fields, and go on in the same event loop."""
    monkeypatch.setenv("AIRFLOW_CONN_REMOTE", json.dumps({"conn_type": "kubernetes", "extra": extra}))

    async def run() -> tuple[Access, str]:
        found = await connection.read("remote")
        if then is not None:
            await then(found[0], Clock())
        return found

    return asyncio.run(run())


async def header(found: Access) -> str | None:
    assert found.credentials is not None
    return await found.credentials.header()


@pytest.mark.parametrize("form", ["text", "dict", "path", "default path"])
def test_a_kubeconfig_is_read_in_every_form(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text(json.dumps(kubeconfig({"token": "t"})))
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    forms: dict[str, dict[str, Any]] = {
        "text": {"kube_config": file.read_text()},
        "dict": {"kube_config": kubeconfig({"token": "t"})},
        "path": {"kube_config_path": str(file)},
        "default path": {},
    }

    async def authorized(found: Access, _: Clock) -> None:
        assert await header(found) == "Bearer t"

    found, namespace = reached(forms[form], monkeypatch, authorized)
    assert (found.host, namespace) == ("https://one", "default")
    found, namespace = reached(forms[form] | {"cluster_context": "two", "namespace": "team"}, monkeypatch)
    assert (found.host, namespace) == ("https://two", "team")


def test_certificates_are_verified_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"kube_config": kubeconfig({"token": "t"})}
    for told, mode in [({}, ssl.CERT_REQUIRED), ({"disable_verify_ssl": True}, ssl.CERT_NONE)]:
        found, _ = reached(extra | told, monkeypatch)
        assert found.tls.verify_mode == mode


@pytest.mark.parametrize("extra", [{}, {"in_cluster": True}, {"extra__kubernetes__in_cluster": "True"}])
def test_within_a_cluster_its_own_account_is_used(
    extra: dict[str, Any], account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def renewed(found: Access, clock: Clock) -> None:
        assert await header(found) == "Bearer one"
        (account / "token").write_text("two\n")  # as the kubelet does every hour
        clock.ahead += access.RENEW_SECONDS
        assert await header(found) == "Bearer two"

    found, namespace = reached(extra, monkeypatch, renewed)
    assert (found.host, namespace) == ("https://10.0.0.1:443", "airflow")
    assert found.tls.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.usefixtures("account")
def test_an_ipv6_address_is_written_as_urls_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert reached({}, monkeypatch)[0].host == "https://[fd00::1]:443"


def test_in_cluster_outside_of_a_cluster_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(connection.WrongConnection, match="no pod"):
        reached({"in_cluster": True}, monkeypatch)


def test_within_a_cluster_the_client_library_is_not_loaded() -> None:
    """It takes 67 MB of the triggerer's memory, and seconds in which no other trigger has a turn."""
    program = "import sys, dynamic_pod.cluster; print('kubernetes_asyncio' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(DAGS)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_token_file_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("one")

    async def renewed(found: Access, clock: Clock) -> None:
        file.write_text("two")
        assert await header(found) == "Bearer one"
        clock.ahead += access.RENEW_SECONDS
        assert await header(found) == "Bearer two"

    reached({"kube_config": kubeconfig({"tokenFile": str(file)})}, monkeypatch, renewed)


def test_a_plugin_is_asked_again_before_its_token_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Plugin(tmp_path)
    plugin.answer("one", timedelta(minutes=14))

    async def renewed(found: Access, clock: Clock) -> None:
        plugin.answer("two", None)
        clock.ahead += 6 * 60
        assert (await header(found), plugin.runs()) == ("Bearer one", 1)
        clock.ahead += 2 * 60
        assert set(await asyncio.gather(header(found), header(found))) == {"Bearer two"}
        assert plugin.runs() == 2

    reached({"kube_config": plugin.kubeconfig()}, monkeypatch, renewed)


def test_a_plugin_that_fails_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task waits, as it does for an API server that is away, and its log says for what."""
    plugin = Plugin(tmp_path)
    plugin.answer("one", None)

    async def run() -> None:
        fake = FakeCluster()
        async with fake.serve():
            config = plugin.kubeconfig(f"http://127.0.0.1:{fake.port}")
            monkeypatch.setenv(
                "AIRFLOW_CONN_REMOTE", json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": config}})
            )
            found, _ = await connection.read("remote")
            clock, api = Clock(), Api(found)
            plugin.fail()
            clock.ahead += access.RENEW_SECONDS
            for _ in range(2):  # the plugin is not run for each request
                with pytest.raises(ApiError, match="credentials could not be renewed") as refusal:
                    await api.list_pods(NAMESPACE, "a=b")
                assert refusal.value.transient
            assert plugin.runs() == 2
            plugin.answer("two", None)
            clock.ahead += access.RETRY_SECONDS
            await api.list_pods(NAMESPACE, "a")
            await api.close()

    asyncio.run(run())


def test_a_plugin_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it has started: the triggerer, which asks again and again, must not gather them."""
    plugin, started = tmp_path / "plugin", tmp_path / "started"
    plugin.write_text(f"#!/bin/sh\nsleep 1000 &\necho $$ $! >{started}.part\nmv {started}.part {started}\nwait\n")
    plugin.chmod(0o755)
    monkeypatch.setattr(access, "PLUGIN_SECONDS", 2)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}
    with pytest.raises(access.NoCredentials, match="did not come within"):
        reached({"kube_config": kubeconfig(user)}, monkeypatch)
    until("both have ended", lambda: not any(alive(int(pid)) for pid in started.read_text().split()))


def alive(pid: int) -> bool:
    """Whether this process goes on; one that has ended may wait for its parent."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
