"""What a command writes: tables, formats, and nothing that a terminal would obey."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
import yaml

from kubectl_acj import output
from tests.unit.plugin.builders import job

NOW = datetime.fromisoformat("2026-11-22T12:00:30Z")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (4 * 3600 + 300, "4h5m"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (9 * 86400, "9d"),
    ],
)
def test_lengths_of_time_as_kubectl_writes_them(seconds: float, said: str) -> None:
    assert output.duration(seconds) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain ünï ✓\nnext\tone", "plain ünï ✓\nnext\tone"),
        ("\x1b[2Jgone\r", "\\x1b[2Jgone\\r"),
        ("a\u202eb", "a\\u202eb"),
    ],
)
def test_control_characters_become_visible(text: str, said: str) -> None:
    assert output.printable(text) == said


def test_a_table_in_a_pipe_has_no_codes_and_cuts_no_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    long = "n" * 63
    jobs = [
        job("Failed", name=long, reason="\x1b[31mError", exitCode=3, attempt=1, startTime="2026-11-22T12:00:10Z"),
        job(),
    ]
    output.show(output.table(jobs, NOW, everywhere=True))
    head, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head == ["NAMESPACE", "NAME", "PHASE", "REASON", "ATTEMPTS", "EXIT", "START", "AGE"]
    assert rows == [["team-a", long, "Failed", "\\x1b[31mError", "1", "3", "20s", "30s"], ["team-a", "hello", "30s"]]


def test_formats(capsys: pytest.CaptureFixture[str]) -> None:
    found = job("Succeeded")
    found["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    output.report([found], "name", lambda _: "")
    assert capsys.readouterr().out == "airflowcontainerjob.acj.dev/hello\n"
    output.report([found], "json", lambda _: "")
    assert json.loads(capsys.readouterr().out) == job("Succeeded")
    output.report([found, found], "yaml", lambda _: "")
    assert yaml.safe_load(capsys.readouterr().out)["items"] == [job("Succeeded")] * 2
    output.dump_list([], "json")
    assert json.loads(capsys.readouterr().out) == {"apiVersion": "v1", "kind": "List", "items": []}
    output.report([found], None, lambda _: "does well")
    assert capsys.readouterr().out == "airflowcontainerjob.acj.dev/hello does well\n"
