"""A job's life: how it ends, what its status and Airflow say, and how it is stopped."""

from __future__ import annotations

import json
import time
from base64 import b64decode

from tests.e2e.jobs import ended, job, pods, until_phase
from tests.support.airflow import Airflow
from tests.support.cluster import Namespace
from tests.support.wait import until


def test_a_failing_container_shows_its_exit_code_and_last_words(airflow: Airflow, namespace: Namespace) -> None:
    # All to stderr: what comes through two pipes has no order that anybody keeps.
    script = "exec >&2; for i in $(seq 200); do echo line $i; done; echo no such table; exit 3"
    namespace.apply(job("failing", script))
    status = ended(namespace, "failing")
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Failed", "Error", 3)
    assert status["message"].endswith("no such table")
    log = airflow.log(status["dagRunId"])
    assert [line for line in log if line.startswith("line ")] == [f"line {i}" for i in range(1, 201)]
    assert log.count("no such table") == 1


def test_an_image_that_cannot_be_pulled_is_named_and_the_job_can_be_deleted(
    airflow: Airflow, namespace: Namespace
) -> None:
    namespace.apply(job("unpullable", "true", image="localhost:1/no/such:image"))
    status = until_phase(namespace, "unpullable", "Queued", reason="ImagePullBackOff", seconds=30)
    assert "localhost:1/no/such:image" in status["message"]
    namespace.kubectl("delete", "acj", "unpullable", "--timeout=20s")
    assert pods(namespace) == []
    assert airflow.run(status["dagRunId"])["state"] == "failed"


def test_deleting_a_running_job_ends_its_run_and_its_pod(airflow: Airflow, namespace: Namespace) -> None:
    namespace.apply(job("running", "trap 'exit 0' TERM; sleep 600 & wait"))
    status = until_phase(namespace, "running", "Running")
    began = time.monotonic()
    namespace.kubectl("delete", "acj", "running", "--timeout=20s")
    until("the pod is gone", lambda: not pods(namespace), 20 - (time.monotonic() - began))
    assert airflow.run(status["dagRunId"])["state"] == "failed"


def test_a_finished_job_is_deleted_at_once(namespace: Namespace) -> None:
    namespace.apply(job("short", "true"))
    until_phase(namespace, "short", "Succeeded")
    until("it is not held", lambda: not namespace.job("short")["metadata"].get("finalizers"), 10)
    namespace.kubectl("delete", "acj", "short", "--timeout=5s")


def test_kubectl_wait_ends_on_either_end(namespace: Namespace) -> None:
    namespace.apply(job("good", "true"), job("bad", "false"))
    for name in ("good", "bad"):
        namespace.kubectl("wait", "acj", name, "--for=condition=Finished", "--timeout=90s")
    assert namespace.status("good")["phase"] == "Succeeded"
    assert namespace.status("bad")["phase"] == "Failed"


def test_the_table_tells_the_truth(namespace: Namespace) -> None:
    namespace.apply(job("bad", "exit 7"))
    until_phase(namespace, "bad", "Failed")
    heads, row = namespace.kubectl("get", "acj").stdout.splitlines()
    assert heads.split()[:5] == ["NAME", "PHASE", "REASON", "ATTEMPTS", "EXIT"]
    assert row.split()[:5] == ["bad", "Failed", "Error", "1", "7"]


def test_a_failed_container_is_tried_again_as_often_as_backoff_limit_says(namespace: Namespace) -> None:
    namespace.apply(job("again", "exit 4", backoffLimit=2))
    status = ended(namespace, "again", seconds=120)
    assert status["phase"] == "Failed"
    assert [(a["number"], a["exitCode"]) for a in status["attempts"]] == [(1, 4), (2, 4), (3, 4)]
    assert len({a["podName"] for a in status["attempts"]}) == 3


def test_a_job_that_runs_too_long_is_ended(namespace: Namespace) -> None:
    namespace.apply(job("slow", "sleep 600", activeDeadlineSeconds=3, terminationGracePeriodSeconds=1))
    status = ended(namespace, "slow")
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


def test_a_suspended_job_has_no_run_until_it_is_resumed(airflow: Airflow, namespace: Namespace) -> None:
    namespace.apply(job("later", "true", suspend=True))
    status = until_phase(namespace, "later", "Suspended")
    assert "dagRunId" not in status
    uid = namespace.job("later")["metadata"]["uid"]
    assert airflow("GET", f"/dags/~/dagRuns?run_id_prefix_pattern=acj-{uid}")["total_entries"] == 0
    namespace.patch("later", suspend=False)
    until_phase(namespace, "later", "Succeeded")


def test_a_running_job_is_suspended_and_resumed_with_a_new_run(airflow: Airflow, namespace: Namespace) -> None:
    namespace.apply(job("paused", "sleep 600", terminationGracePeriodSeconds=1))
    first = until_phase(namespace, "paused", "Running")["dagRunId"]
    namespace.patch("paused", suspend=True)
    until_phase(namespace, "paused", "Suspended", reason="Suspended", seconds=20)
    until("its pod is gone", lambda: not pods(namespace), 10)
    assert airflow.run(first)["state"] == "failed"
    namespace.patch("paused", suspend=False)
    second = until_phase(namespace, "paused", "Running")["dagRunId"]
    assert second != first


def test_a_changed_spec_runs_anew_and_an_unchanged_one_does_not(airflow: Airflow, namespace: Namespace) -> None:
    namespace.apply(job("changing", "exit 1"))
    first = until_phase(namespace, "changing", "Failed")
    namespace.apply(job("changing", "exit 1"))
    namespace.apply(job("changing", "exit 0"))
    second = until_phase(namespace, "changing", "Succeeded")
    assert second["dagRunId"] != first["dagRunId"]
    uid = namespace.job("changing")["metadata"]["uid"]
    assert airflow("GET", f"/dags/~/dagRuns?run_id_prefix_pattern=acj-{uid}")["total_entries"] == 2


def test_text_of_a_spec_is_never_rendered(namespace: Namespace) -> None:
    texts = ["{{ 7*7 }}", "{{ conn.get('x').password }}", "{% raw %}", 'it\'s "quoted"', "ünïcode ✓", "a\\b\nc"]
    encode = r"""for a in "$@"; do echo "\"$(printf %s "$a" | base64 -w 0)\""; done | paste -sd ,"""
    manifest = job("verbatim", "")
    manifest["spec"]["args"] = [f'echo "[$({encode})]" > /airflow/xcom/return.json', "sh", *texts]
    namespace.apply(manifest)
    result = ended(namespace, "verbatim")["result"]
    assert [b64decode(text).decode() for text in result] == texts


def test_the_result_may_be_any_json(namespace: Namespace) -> None:
    values = {"list": [1, 2, {"a": None}], "text": "done", "zero": 0, "no": False}
    namespace.apply(
        *(job(name, f"echo '{json.dumps(value)}' > /airflow/xcom/return.json") for name, value in values.items()),
    )
    for name, value in values.items():
        assert ended(namespace, name)["result"] == value
