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


def test_a_text_that_kubectl_would_take_for_something_else_is_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    """kubectl's YAML has more numbers and truth values than the one that writes it."""
    strange = ["y", "N", "08", "1e-3", "1E5", "-.5e3", "+1e3", "1.e3", "1.0e5", "0o17", "0X1f", "0B1", "1_0e3", "-0o_7"]
    plain = ["a", "yy", "e1", "1e", "1-2", "10.0.0.1", "10m", "busybox:1.35", "0b2z"]
    output.dump({"kind": "Job", "metadata": {}, "strange": strange, "plain": plain, "number": 8, "small": 1e-7}, "yaml")
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("- ")] == [
        *(f"- {text}" for text in plain),
        *(f"- '{text}'" for text in strange),
    ]
    assert yaml.safe_load(said)["number"] == 8
    assert yaml.safe_load(said)["small"] == 1e-7
