"""The commands that ask or change once: `stop`, `rerun`, `open`, `describe`, against a scripted API server."""

from __future__ import annotations

import pytest

from tests.unit.plugin.builders import JOBS, PODS, RUN, job, listed, serve
from tests.unit.plugin.conftest import Plugin
from tests.unit.plugin.server import Script


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
