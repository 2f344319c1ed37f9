"""`run` and `logs`, against a scripted API server: what is made, what is shown, and how they end."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
import yaml

from kubectl_acj import output, streaming
from kubectl_acj.job import Json
from kubectl_acj.watching import Deadline
from tests.unit.plugin.builders import JOBS, PODS, STARTED, job, listed, pod, serve, version
from tests.unit.plugin.conftest import Plugin
from tests.unit.plugin.server import OVER, Script


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        (["--", "echo", "-n", "a b"], {"args": ["echo", "-n", "a b"]}),
        (["echo", "--", "--", "-n"], {"args": ["echo", "--", "-n"]}),
        (["--command", "--", "sh", "-c", "x"], {"command": ["sh", "-c", "x"]}),
        (
            ["--env=A=1=2", "--env", "B="],
            {"env": [{"name": "A", "value": "1=2"}, {"name": "B", "value": ""}]},
        ),
    ],
)
def test_run_makes_what_is_said(
    plugin: Plugin, capsys: pytest.CaptureFixture[str], words: list[str], spec: Json
) -> None:
    assert plugin("run", "hello", "--image=busybox", "--dry-run=client", "-oyaml", *words) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {
        "apiVersion": "acj.dev/v1alpha1",
        "kind": "AirflowContainerJob",
        "metadata": {"name": "hello", "namespace": "team-a"},
        "spec": {"image": "busybox"} | spec,
    }


def test_run_shows_the_log_of_each_attempt_and_ends_as_the_job(
    server: Script, plugin: Plugin, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    server.answer(f"POST {JOBS}", (201, job()))
    attempts = [{"number": 1, "podName": "first"}, {"number": 2, "podName": "second"}]
    serve(server, job())
    server.answer(f"GET {PODS}", listed())
    over = job("Failed", reason="Error", exitCode=3, attempts=attempts)
    running = job("Running", reason="Running")
    server.answer(f"WATCH {JOBS}", (200, [version(running), f"GET {PODS}/second/log", version(over), OVER]))
    server.answer(
        f"WATCH {PODS}",
        (200, [version(pod("old", run="acj-0", state=STARTED)), version(pod("first", state=STARTED))]),
        (200, [version(pod("second", state=STARTED)), version(pod("second", state=STARTED)), OVER]),
    )
    server.answer(f"GET {PODS}/first/log", (200, "\x1b[1mone\r\n"))
    server.answer(f"GET {PODS}/second/log", (200, "two\n"))
    assert plugin("run", "hello", "--image=busybox") == 1
    out, err = capfdbinary.readouterr()
    assert sorted(out.splitlines(keepends=True)) == [b"\x1b[1mone\r\n", b"two\n"]
    assert err.decode().splitlines() == [
        "hello: not seen by the operator yet",
        "hello: Running",
        "hello: Failed: Error, exit code 3",
    ]


def test_run_with_rm_ends_as_the_job_when_somebody_else_has_deleted_it(server: Script, plugin: Plugin) -> None:
    server.answer(f"POST {JOBS}", (201, job()))
    serve(server, job("Succeeded"))
    server.answer(f"GET {PODS}", listed())
    server.answer(f"WATCH {PODS}", (200, [OVER]))
    assert plugin("run", "hello", "--image=i", "--rm") == 0
    server.answer(f"DELETE {JOBS}/hello", (403, {"message": "not yours"}))
    assert plugin("run", "hello", "--image=i", "--rm") == 4


def test_run_in_a_namespace_that_is_not_there(
    server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer(f"POST {JOBS}", (404, {"message": 'namespaces "team-a" not found'}))
    assert plugin("run", "hello", "--image=i") == 4
    assert capsys.readouterr().err == 'Error: the cluster refuses: namespaces "team-a" not found\n'


def test_run_says_that_the_job_goes_on_when_it_may_not_be_followed(
    server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer(f"POST {JOBS}", (201, job()))
    serve(server, job())
    server.answer(f"GET {PODS}", (403, {"message": "no pods for you"}))
    assert plugin("run", "hello", "--image=i") == 4
    said = "Error: the cluster refuses: no pods for you; hello goes on; `kubectl acj stop hello -n team-a` ends it"
    assert said in capsys.readouterr().err.splitlines()


def test_a_log_that_is_read_slowly_is_shown_once(
    server: Script, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours pass while a piece is being written, and the job is over: still it is waited for."""
    over = job("Succeeded", attempts=[{"number": 1, "podName": "first"}])
    server.answer(f"GET {JOBS}/hello", (200, job()))
    server.answer(f"GET {JOBS}", listed(job("Running")))
    server.answer(f"WATCH {JOBS}", (200, ["a piece is being written", version(over), OVER]))
    server.answer(f"GET {PODS}", listed(pod("first", state=STARTED)))
    server.answer(f"WATCH {PODS}", (200, [OVER]))
    server.answer(f"GET {PODS}/first/log", (200, "one\n"))
    written: list[bytes] = []
    now, writing, read = 0, server.reached["a piece is being written"], threading.Event()

    def write(piece: bytes) -> None:
        written.append(piece)
        writing.set()
        read.wait(30)

    def monotonic() -> float:
        nonlocal now
        if writing.is_set() and threading.current_thread() is threading.main_thread() and not read.is_set():
            now += 3600
            if now == 3 * 3600:
                read.set()
        return now

    monkeypatch.setattr(output, "raw", write)
    monkeypatch.setattr(streaming, "time", SimpleNamespace(monotonic=monotonic))
    assert plugin("logs", "-f", "hello") == 0
    assert written == [b"one\n"]


def test_the_last_lines_that_nobody_takes_are_left_at_the_deadline(
    server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is over in time, and its end is what counts."""
    over = job("Succeeded", reason="Completed", attempts=[{"number": 1, "podName": "first"}])
    server.answer(f"POST {JOBS}", (201, job()))
    serve(server, job("Running"))
    server.answer(f"WATCH {JOBS}", (200, ["a piece is being written", version(over), OVER]))
    server.answer(f"GET {PODS}", listed(pod("first", state=STARTED)))
    server.answer(f"WATCH {PODS}", (200, [OVER]))
    server.answer(f"GET {PODS}/first/log", (200, "one\n"))
    writing, read, late = server.reached["a piece is being written"], threading.Event(), threading.Event()

    def write(_: bytes) -> None:
        writing.set()
        read.wait(30)

    def monotonic() -> float:
        if writing.is_set() and threading.current_thread() is threading.main_thread():
            late.set()
        return 0

    monkeypatch.setattr(output, "raw", write)
    monkeypatch.setattr(streaming, "time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(Deadline, "over", lambda _: late.is_set())
    assert plugin("run", "hello", "--image=i", "--timeout=1h") == 0
    read.set()
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "the log of pod first breaks off: nobody reads standard output",
        "hello: Succeeded: Completed",
    ]


def test_a_pod_that_is_gone_is_named_with_where_its_log_is(
    server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "http://airflow.example/dags/container_job/runs/x"
    attempts = [{"number": 1, "podName": "gone"}]
    serve(server, job("Succeeded", dagRunUrl=url, attempts=attempts))
    server.answer(f"GET {PODS}", listed())
    server.answer(f"POST {JOBS}", (201, job()))
    assert plugin("run", "hello", "--image=busybox") == 0
    assert "the pod of hello is gone" in capsys.readouterr().err
    assert plugin("logs", "hello") == 4
    said = capsys.readouterr().err
    assert f"the pod of hello is gone; its log is in Airflow, {url}" in said
    assert "set AIRFLOW_URL, and AIRFLOW_USERNAME and AIRFLOW_PASSWORD, or AIRFLOW_TOKEN" in said


def test_logs_of_what_does_not_run_say_why(server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    serve(server, job("Queued", reason="Unschedulable"))
    server.answer(f"GET {PODS}", listed(pod("waits", state={"waiting": {}})))
    assert plugin("logs", "hello") == 4
    assert "no container of hello runs: Queued: Unschedulable" in capsys.readouterr().err
    serve(server, job("Failed", reason="InvalidSpec", dagRunId=None))
    assert plugin("logs", "hello") == 4
    assert "hello has no log, as it never had a DagRun: Failed: InvalidSpec" in capsys.readouterr().err
