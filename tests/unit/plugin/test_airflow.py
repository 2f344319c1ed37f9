"""How Airflow is asked: with the user's own account, to the address that the user names, and to no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubectl_acj.airflow import Airflow, Task
from kubectl_acj.errors import PluginError
from tests.unit.plugin.server import Script

ACCOUNT = {"AIRFLOW_USERNAME": "ada", "AIRFLOW_PASSWORD": "secret"}
RUN = "/api/v2/dags/container_job/dagRuns/acj-1"


def test_a_password_is_exchanged_for_a_token(server: Script) -> None:
    server.answer("POST /auth/token", (201, {"access_token": "t1"}))
    server.answer(f"GET {RUN}", (200, {"state": "success"}))
    airflow = Airflow.connect({"AIRFLOW_URL": server.url + "/"} | ACCOUNT)
    assert airflow.run("container_job", "acj-1") == {"state": "success"}
    (_, _, account), (_, headers, _) = server.asked
    assert account == {"username": "ada", "password": "secret"}
    assert headers["Authorization"] == "Bearer t1"


def test_a_netrc_does_not_stand_in_for_the_token(
    server: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.answer(f"GET {RUN}", (200, {}))
    Airflow.connect({"AIRFLOW_URL": server.url, "AIRFLOW_TOKEN": "t2"}).run("container_job", "acj-1")
    ((_, headers, _),) = server.asked
    assert headers["Authorization"] == "Bearer t2"


def test_a_run_that_was_deleted_is_none(server: Script) -> None:
    assert Airflow(server.url, "t").run("container_job", "acj-1") == {}


def test_tasks_that_have_begun_and_their_logs(server: Script) -> None:
    task = {"map_index": -1, "try_number": 2, "start_date": "2026-11-22T12:00:00Z"}
    tasks = [task | {"task_id": "run"}, task | {"task_id": "later", "start_date": None}]
    pages = [(200, {"task_instances": [one], "total_entries": 2}) for one in tasks]
    server.answer(f"GET {RUN}/taskInstances", *pages)
    content = [
        {"event": "::group::Log message source details"},
        {"event": "::endgroup::"},
        {"event": "good"},
        "morning",
    ]
    server.answer(f"GET {RUN}/taskInstances/run/logs/2", (200, {"content": content}))
    airflow = Airflow(server.url, "t")
    assert airflow.tasks("container_job", "acj-1") == [Task("run", -1, 2)]
    assert list(airflow.log("container_job", "acj-1", Task("run", -1, 2))) == ["good", "morning"]
    assert (str(Task("run", -1, 2)), str(Task("run", 3, 2))) == ("run", "run[3]")


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "set AIRFLOW_URL and AIRFLOW_USERNAME and AIRFLOW_PASSWORD, or AIRFLOW_TOKEN"),
        ({"AIRFLOW_TOKEN": "t"}, "set AIRFLOW_URL"),
        (
            {"AIRFLOW_URL": "http://a", "AIRFLOW_USERNAME": "ada"},
            "set AIRFLOW_USERNAME and AIRFLOW_PASSWORD, or AIRFLOW_TOKEN",
        ),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], missing: str) -> None:
    assert not Airflow.configured(environment)
    with pytest.raises(PluginError) as refused:
        Airflow.connect(environment)
    assert refused.value.message.endswith(missing)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            401,
            {"detail": "no"},
            "Airflow answered 401 .* check AIRFLOW_USERNAME and AIRFLOW_PASSWORD, or AIRFLOW_TOKEN",
        ),
        (403, {"detail": "no"}, "Airflow answered 403"),
        (302, "", "Airflow answered 302 .* check AIRFLOW_URL"),
        (500, "broken", "Airflow answered 500 .*: broken"),
        (200, "<html>", "is not Airflow; check AIRFLOW_URL"),
    ],
)
def test_refusals_say_what_to_check(server: Script, status: int, body: object, said: str) -> None:
    server.headers["Location"] = f"{server.url}/elsewhere"
    server.answer("POST /auth/token", (status, body))
    with pytest.raises(PluginError, match=said):
        Airflow.connect({"AIRFLOW_URL": server.url} | ACCOUNT)
    assert len(server.asked) == 1, "a redirect would carry the account elsewhere"


@pytest.mark.parametrize(
    "body", [{"error": "sign in"}, "[]", "null", {"content": 1, "task_instances": [{}], "total_entries": 1}]
)
def test_what_has_not_the_shape_of_an_answer_is_not_airflows(server: Script, body: object) -> None:
    task = Task("run", -1, 1)
    server.answer("POST /auth/token", (200, body))
    server.answer(f"GET {RUN}/taskInstances", (200, body))
    server.answer(f"GET {RUN}/taskInstances/run/logs/1", (200, body))
    airflow = Airflow(server.url, "t")
    for ask in (
        lambda: Airflow.connect({"AIRFLOW_URL": server.url} | ACCOUNT),
        lambda: airflow.tasks("container_job", "acj-1"),
        lambda: list(airflow.log("container_job", "acj-1", task)),
    ):
        with pytest.raises(PluginError, match="is not Airflow; check AIRFLOW_URL"):
            ask()


def test_nobody_there() -> None:
    with pytest.raises(PluginError, match=r"does not answer at http://127\.0\.0\.1:1/auth/token"):
        Airflow.connect({"AIRFLOW_URL": "http://127.0.0.1:1"} | ACCOUNT)
