"""The commands through the entrance, against a scripted API server: exit codes, what is sent, and what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from kubectl_acj import cluster as cluster_module
from kubectl_acj import output, streaming
from kubectl_acj.cli import cli
from kubectl_acj.cluster import Change, Cluster
from kubectl_acj.completion import answer
from kubectl_acj.job import Json
from kubectl_acj.watching import Deadline
from tests.unit.plugin.builders import JOBS, PODS, RUN, STARTED, job, listed, pod, serve, version
from tests.unit.plugin.conftest import Plugin
from tests.unit.plugin.server import OVER, Script


@pytest.mark.parametrize(
    ("last", "words", "code", "said"),
    [
        (job("Succeeded", reason="Completed"), ["wait", "hello"], 0, "Succeeded: Completed"),
        (job("Failed", reason="Error", exitCode=3), ["wait", "acj/hello"], 1, "Failed: Error, exit code 3"),
        (job("Running", reason="Running"), ["wait", "hello", "--for=running"], 0, "Running"),
        (job("Failed", reason="InvalidSpec"), ["wait", "hello", "--for=running"], 1, "Failed: InvalidSpec"),
        (job("Succeeded", startTime="2026-11-22T12:00:01Z"), ["wait", "hello", "--for=Running"], 0, "Succeeded"),
    ],
)
def test_wait(  # noqa: PLR0917 - a table and its fixtures
    server: Script,
    plugin: Plugin,
    capsys: pytest.CaptureFixture[str],
    last: Json,
    words: list[str],
    code: int,
    said: str,
) -> None:
    old = job("Succeeded", seen=0)
    serve(server, old, job("Queued", reason="Starting"), last)
    assert plugin(*words) == code
    assert capsys.readouterr().out == f"airflowcontainerjob.acj.dev/hello {said}\n"


def test_wait_gives_up_in_time(server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    serve(server, job("Queued", reason="Unschedulable"))
    assert plugin("wait", "hello", "--timeout=1s") == 3
    assert "timed out waiting for hello to be finished" in capsys.readouterr().err


def test_wait_follows_all_jobs_at_once(server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    """The second ends first, and ttlSecondsAfterFinished deletes it while the first runs; a third is not ours."""
    first, second = (job("Running", name=name, uid=name) for name in ("first", "second"))
    server.answer(f"GET {JOBS}/first", (200, first))
    server.answer(f"GET {JOBS}/second", (200, second), (404, {"message": "not found"}))
    server.answer(f"GET {JOBS}", listed(first, second))
    ended = job("Succeeded", name="second", uid="second", reason="Completed")
    turns = [
        version(job("Failed", name="third", uid="third"), "ADDED"),
        version(ended),
        version(ended, "DELETED"),
        version(job("Failed", name="first", uid="first", reason="Error", exitCode=3)),
        OVER,
    ]
    server.answer(f"WATCH {JOBS}", (200, turns))
    assert plugin("wait", "first", "second", "first") == 1
    assert capsys.readouterr().out.splitlines() == [
        "airflowcontainerjob.acj.dev/first Failed: Error, exit code 3",
        "airflowcontainerjob.acj.dev/second Succeeded: Completed",
        "airflowcontainerjob.acj.dev/first Failed: Error, exit code 3",
    ]
    server.answer(f"GET {JOBS}/second", (200, ended))
    server.answer(f"WATCH {JOBS}", (200, [OVER]))
    assert plugin("wait", "first", "second", "--timeout=1s") == 3
    assert "timed out waiting for first to be finished" in capsys.readouterr().err


def test_wait_sees_a_deletion(server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    serve(server, job("Running"))
    server.answer(f"WATCH {JOBS}", (200, [version(job("Running")), version(job("Running"), "DELETED"), OVER]))
    assert plugin("wait", "hello") == 4
    assert '"hello" was deleted' in capsys.readouterr().err
    server.answer(f"GET {JOBS}", listed())  # it went between the two requests
    assert plugin("wait", "hello") == 4
    assert '"hello" was deleted' in capsys.readouterr().err


def test_a_watch_that_breaks_or_expires_is_opened_again(
    server: Script, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "PAUSE_SECONDS", 0.01)
    serve(server, job("Running"))
    expired = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
    server.answer(
        f"WATCH {JOBS}",
        (200, [version(job("Running"))]),
        (503, {"message": "starting"}),
        (200, [version(job("Running")), expired]),
        (200, [version(job("Running")), {"type": "MODIFIED"}]),
        (200, [version(job("Succeeded")), OVER]),
    )
    assert plugin("wait", "hello") == 0


@pytest.mark.parametrize(
    ("path", "said"), [(JOBS, "Error: no whole answer: JSONDecodeError"), (f"{JOBS}/hello", "Traceback")]
)
@pytest.mark.parametrize("words", [["wait", "hello"], ["run", "hello", "--image=i"], ["logs", "-f", "hello"]])
def test_what_is_no_answer_of_an_api_server_is_no_failure_of_the_job(  # noqa: PLR0917 - a table and its fixtures
    server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str], path: str, said: str, words: list[str]
) -> None:
    server.answer(f"POST {JOBS}", (201, job()))
    server.answer(f"GET {PODS}", listed())
    server.answer(f"WATCH {PODS}", (200, [OVER]))
    serve(server, job("Running"))
    server.answer(f"GET {path}", (200, "<html>"))
    assert plugin(*words) == 4
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [["wait", "hello"], ["list", "--watch"]])
def test_an_error_that_nobody_expects_ends_the_waiting(
    server: Script,
    plugin: Plugin,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    serve(server, job("Running"))

    def fail(*_: object, **__: object) -> Iterator[Change]:
        yield from [Change(job("Running"), deleted=False)]
        raise RuntimeError("\x1b[2Jnobody knows")

    monkeypatch.setattr(Cluster, "follow", fail)
    monkeypatch.setattr(Cluster, "follow_jobs", fail)
    assert plugin(*words) == 4
    assert "RuntimeError: \\x1b[2Jnobody knows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, {"message": "not found"}, 'there is no AirflowContainerJob "hello" in namespace "team-a"'),
        (404, "404 page not found\n", "the cluster does not know AirflowContainerJobs: install the CRD"),
        (403, {"message": 'User "ada" cannot get'}, 'the cluster refuses: User "ada" cannot get'),
        (
            401,
            {"message": "Unauthorized"},
            "the cluster refuses: Unauthorized; the account is not known there, or no longer: sign in again",
        ),
        (403, {"message": "\x1b[2Jall is well\r"}, "the cluster refuses: \\x1b[2Jall is well\\r"),
    ],
)
def test_refusals(  # noqa: PLR0917 - a table and its fixtures
    server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str], status: int, body: object, said: str
) -> None:
    server.answer(f"GET {JOBS}/hello", (status, body))
    for words in (["wait", "hello"], ["logs", "hello"], ["stop", "hello"], ["open", "hello"], ["describe", "hello"]):
        assert plugin(*words) == 4
        assert capsys.readouterr() == ("", f"Error: {said}\n")


def test_no_cluster(plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin("list", "--context=nowhere") == 4
    assert "use --kubeconfig" in capsys.readouterr().err
    assert plugin("list", "--kubeconfig=/no/such/file", connected=False) == 4
    assert "no cluster to talk to" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"{", b"\xff", b"<html>", b"- a", b"contexts: [a]", b""])
def test_a_broken_kubeconfig(
    plugin: Plugin, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(content)
    for path in (broken, tmp_path):
        assert plugin("list", f"--kubeconfig={path}", connected=False) == 4
        assert capsys.readouterr().err.startswith("Error: no cluster to talk to")
        assert answer(["list", f"--kubeconfig={path}", "--context"], "") == [":4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Usage: kubectl acj"),
        (["run", "hello"], "Missing option '--image'"),
        (["run", "--image=i", "--", "echo", "hello"], "Missing argument 'NAME'"),
        (["run", "hello", "--image=i", "--env=WHO"], '"WHO" is not of the form NAME=VALUE'),
        (["run", "hello", "--image=i", "-o", "name"], "-o needs --detach or --dry-run"),
        (["run", "hello", "--image=i", "--detach", "--rm"], "--rm and --timeout are about waiting"),
        (["wait", "hello", "--timeout=5"], '"5" is not a length of time such as 90s, 5m or 1h30m'),
        (["wait", "hello", "--for=ever"], "Invalid value for '--for'"),
        (["wait"], "Missing argument 'NAME...'"),
        (["stop", "pod/hello"], '"pod" is no type of ours'),
        (["stop", "acj/"], "the name is missing"),
        (["list", "-w", "-o", "json"], "--watch shows a table"),
    ],
)
def test_wrong_usage(plugin: Plugin, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert plugin(*words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], *([name] for name in cli.commands)])
def test_help(plugin: Plugin, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert plugin(*words, "--help", connected=False) == 0
    said = capsys.readouterr().out
    assert all(f"kubectl acj {word}" in said.partition("Examples:")[2] for word in words)
    assert all(len(line) <= 120 for line in said.splitlines())


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


def test_the_namespace_is_the_contexts_unless_said(plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "hello", "--image=i", "--dry-run=client", "-ojson"]
    for words, namespace in (
        (run, "team-a"),
        ([*run, "--context=there"], "default"),
        ([*run, "-n", "team-b"], "team-b"),
        (["-n", "team-b", *run], "team-b"),
    ):
        assert plugin(*words) == 0
        assert json.loads(capsys.readouterr().out)["metadata"]["namespace"] == namespace


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


def test_stop_and_rerun_say_it_in_the_spec(server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    serve(server, job("Running"))
    server.answer(f"PATCH {JOBS}/hello", (200, job("Running", generation=2)))
    assert plugin("stop", "hello") == 0
    assert plugin("rerun", "hello", "--text=again", "-oname") == 0
    assert plugin("rerun", "hello") == 0
    bodies = [body for what, _, body in server.asked if what.startswith("PATCH")]
    assert bodies[:2] == [{"spec": {"shutdown": "Stop"}}, {"spec": {"rerun": "again", "shutdown": None}}]
    assert bodies[2]["spec"]["rerun"].startswith("20")
    assert capsys.readouterr().out.splitlines() == [
        "airflowcontainerjob.acj.dev/hello is being stopped",
        "airflowcontainerjob.acj.dev/hello",
        "airflowcontainerjob.acj.dev/hello runs again",
    ]


@pytest.mark.parametrize(("verb", "did"), [("stop", "is being stopped"), ("rerun", "runs again")])
def test_one_jobs_error_does_not_keep_the_others_from_being_changed(
    server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str], verb: str, did: str
) -> None:
    for name in ("refused", "hello"):
        server.answer(f"GET {JOBS}/{name}", (200, job("Running", name=name)))
    server.answer(f"GET {JOBS}/gone", (404, {"message": "not found"}))
    server.answer(f"PATCH {JOBS}/refused", (403, {"message": "not yours"}))
    server.answer(f"PATCH {JOBS}/hello", (200, job("Running", generation=2)))
    assert plugin(verb, "gone", "refused", "hello") == 4
    out, err = capsys.readouterr()
    assert out == f"airflowcontainerjob.acj.dev/hello {did}\n"
    assert err.splitlines() == [
        'Error: there is no AirflowContainerJob "gone" in namespace "team-a"',
        "Error: the cluster refuses: not yours",
    ]


def test_stop_leaves_alone_what_is_over(server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    serve(server, job("Succeeded", reason="Completed"))
    assert plugin("stop", "hello") == 0
    assert "is over already, Succeeded: Completed" in capsys.readouterr().out
    assert not [what for what, _, _ in server.asked if what.startswith("PATCH")]


def test_rerun_wants_a_new_text(server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    found = job("Succeeded")
    found["spec"]["rerun"] = "again"
    serve(server, found)
    server.answer(f"GET {JOBS}/other", (200, job("Succeeded", name="other")))
    server.answer(f"PATCH {JOBS}/other", (200, job("Succeeded", name="other")))
    assert plugin("rerun", "other", "hello", "--text=again") == 2
    assert 'hello has "again" in spec.rerun already' in capsys.readouterr().err
    assert not [what for what, _, _ in server.asked if what.startswith("PATCH")]


def test_open_writes_the_address_of_a_web_page_only(
    server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(server, job("Running", dagRunUrl="http://airflow.example/x"))
    assert plugin("open", "hello") == 0
    assert capsys.readouterr().out == "http://airflow.example/x\n"
    for address in ("file:///etc/passwd", "http://airflow.example/\x1b[2J", "http://airflow.example/\nx"):
        serve(server, job("Running", dagRunUrl=address))
        assert plugin("open", "hello") == 4
        assert capsys.readouterr().out == ""
    serve(server, job("Pending", reason="Held"))
    assert plugin("open", "hello") == 4
    assert "hello has no DagRun: Pending: Held" in capsys.readouterr().err


def test_describe_tells_what_it_may_not_see(server: Script, plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    serve(server, job("Failed", reason="Error", message="\x1b[2Jlast words", dagRunUrl="http://a/x"))
    server.answer(f"GET {PODS}", (403, {"message": "no pods for you"}))
    server.answer("GET /api/v1/namespaces/team-a/events", listed())
    assert plugin("describe", "hello") == 0
    out, err = capsys.readouterr()
    assert "\\x1b[2Jlast words" in out
    assert RUN in out
    assert err.splitlines() == [
        "not all is told: the cluster refuses: no pods for you",
        "not all is told: AIRFLOW_URL is not set, so the DagRun's times are missing",
    ]


def test_completion(server: Script, kubeconfig: object) -> None:
    server.answer(f"GET {JOBS}", listed(job("Running"), job(name="other")))
    here = f"--kubeconfig={kubeconfig}"
    assert answer([], "st") == ["stop\tEnd jobs for good.", ":4"]
    assert answer(["wait", "--for"], "") == ["finished", "running", "suspended", ":4"]
    assert answer(["logs", here], "") == ["hello\tRunning", "other", ":4"]
    assert answer([here, "stop", "hello"], "") == ["other", ":4"]
    assert answer(["list", here, "--context"], "t") == ["there", ":4"]
    assert answer(["list", "--kubeconfig"], "") == [":0"]
    assert answer(["run", "x", "--image=i", "--"], "") == [":0"]
    assert answer(["logs", "--kubeconfig=/no/such/file"], "") == [":4"]
