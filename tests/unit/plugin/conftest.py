"""What the plugin's tests share: a scripted server, and a kubeconfig that leads to it."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubectl_acj import cli, output
from tests.unit.plugin.server import Script, serving

Plugin = Callable[..., int]


@pytest.fixture
def server() -> Iterator[Script]:
    with serving() as script:
        yield script


@pytest.fixture
def kubeconfig(server: Script, tmp_path: Path) -> Path:
    """Two contexts: `here`, the current one, with namespace team-a, and `there`, without one."""
    contexts = [
        {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}},
        {"name": "there", "context": {"cluster": "c", "user": "u"}},
    ]
    path = tmp_path / "kubeconfig"
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": contexts,
        "current-context": "here",
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def plugin(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugin]:
    """Run `kubectl acj` with these words, as the console script does; its exit code."""
    monkeypatch.setattr(output, "_ends_with_the_reader", threading.Event())
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGHUP)]
    for name in ("AIRFLOW_URL", "AIRFLOW_TOKEN", "AIRFLOW_USERNAME", "AIRFLOW_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, connected: bool = True) -> int:
        options = [f"--kubeconfig={kubeconfig}"] if connected else []
        monkeypatch.setattr("sys.argv", ["kubectl-acj", *options, *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    yield run
    for number, handler in handlers:
        signal.signal(number, handler)
