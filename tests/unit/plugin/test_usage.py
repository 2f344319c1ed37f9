"""What all commands have alike: refusals, a missing cluster, wrong usage, help, completion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubectl_acj.cli import cli
from kubectl_acj.completion import answer
from tests.unit.plugin.builders import JOBS, job, listed
from tests.unit.plugin.conftest import Plugin
from tests.unit.plugin.server import Script


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
