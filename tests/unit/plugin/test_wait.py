"""`wait`, and what the commands that wait have alike, against a scripted API server: exit codes, broken watches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubectl_acj import cluster as cluster_module
from kubectl_acj.cluster import Change, Cluster
from kubectl_acj.job import Json
from tests.unit.plugin.builders import JOBS, PODS, job, listed, serve, version
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
