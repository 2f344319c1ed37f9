"""A job's life: how it ends, and what its status, the table and Airflow say. All jobs run side by side."""

from __future__ import annotations

import json

from tests.support.airflow import Airflow
from tests.support.cluster import Namespace
from tests.support.jobs import GRACE, condition, ended, events, job, pods, until_phase
from tests.support.wait import until

RESULTS = {"list": [1, 2, {"a": None}], "text": "ünïcode ✓", "zero": 0, "no": False}

BATCH = [
    # All to stderr: what comes through two pipes has no order that anybody keeps.
    job("failing", "exec >&2; for i in $(seq 200); do echo line $i; done; echo no such table; exit 3"),
    job("good", "echo fine"),
    job("slow", "sleep 600", activeDeadlineSeconds=3, **GRACE),
    # The container runtime learns of the cause a moment after the kill; the shell gives it that moment.
    job("memory", "tail /dev/zero; code=$?; sleep 3; exit $code", resources={"limits": {"memory": "32Mi"}}),
    job("too-large", "head -c 5000 /dev/zero | tr '\\0' 1 > /airflow/xcom/return.json"),
    job("largest", "printf '\"%04094d\"' 7 > /airflow/xcom/return.json"),
    job("not-json", "echo two ships > /airflow/xcom/return.json"),
    job("failed-with-result", "echo '{\"ships\": 0}' > /airflow/xcom/return.json; exit 3"),
    *(job(f"result-{name}", f"echo '{json.dumps(v)}' > /airflow/xcom/return.json") for name, v in RESULTS.items()),
]


def test_kubectl_wait_ends_on_either_end(batch: Namespace) -> None:
    for name in ("good", "failing"):
        batch.kubectl("wait", "acj", name, "--for=condition=Finished", "--timeout=90s")
    assert batch.status("good")["phase"] == "Succeeded"
    assert batch.status("failing")["phase"] == "Failed"


def test_success(airflow: Airflow, batch: Namespace) -> None:
    status = ended(batch, "good")
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Succeeded", "Completed", 0)
    conditions = {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}
    assert conditions == {
        "Triggered": ("True", "DagRunCreated"),
        "Finished": ("True", "Completed"),
        "Succeeded": ("True", "Completed"),
    }
    (run,) = status["runs"]
    expected = {"number": 1, "dagRunId": status["dagRunId"], "phase": "Succeeded", "reason": "Completed", "exitCode": 0}
    assert expected.items() <= run.items()
    assert run["attempts"] == 1
    assert airflow.until_over(status["dagRunId"]) == status["dagRunState"] == "success"
    assert status["dagRunUrl"].endswith(f"/dags/container_job/runs/{status['dagRunId']}")
    assert events(batch, "good") == set()


def test_a_failing_container_shows_its_exit_code_and_last_words(airflow: Airflow, batch: Namespace) -> None:
    status = ended(batch, "failing")
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Failed", "Error", 3)
    assert status["message"].endswith("no such table")
    log = airflow.log(status["dagRunId"])
    assert [line for line in log if line.startswith("line ")] == [f"line {i}" for i in range(1, 201)]
    assert log.count("no such table") == 1
    assert condition(status, "Succeeded")["status"] == "False"
    until("it is told", lambda: events(batch, "failing") == {"Error"})


def test_a_job_that_runs_too_long_is_ended(batch: Namespace) -> None:
    status = ended(batch, "slow")
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


def test_a_container_that_wants_too_much_memory_is_named(batch: Namespace) -> None:
    status = ended(batch, "memory")
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Failed", "OOMKilled", 137)


def test_the_result_may_be_any_json(airflow: Airflow, batch: Namespace) -> None:
    for name, value in RESULTS.items():
        status = ended(batch, f"result-{name}")
        assert status["phase"] == "Succeeded"
        assert status.get("result") == value
        assert condition(status, "ResultStored")["status"] == "True"
    assert airflow.xcom(batch.status("result-list")["dagRunId"], "return_value") == RESULTS["list"]


def test_the_largest_result_has_4096_bytes(airflow: Airflow, batch: Namespace) -> None:
    status = ended(batch, "largest")
    assert status["result"] == f"{7:04094d}"
    assert airflow.xcom(status["dagRunId"], "return_value") == f"{7:04094d}"


def test_what_is_no_result_is_said_and_changes_nothing_else(batch: Namespace) -> None:
    for name, reason in (("too-large", "ResultTooLarge"), ("not-json", "ResultNotJSON")):
        status = ended(batch, name)
        assert (status["phase"], status["reason"]) == ("Succeeded", "Completed")
        assert "result" not in status
        stored = condition(status, "ResultStored")
        assert (stored["status"], stored["reason"]) == ("False", reason)


def test_a_failed_container_may_leave_a_result(airflow: Airflow, batch: Namespace) -> None:
    status = ended(batch, "failed-with-result")
    assert (status["phase"], status["exitCode"], status["result"]) == ("Failed", 3, {"ships": 0})
    assert airflow.xcom(status["dagRunId"], "return_value") == {"ships": 0}


def test_the_table_tells_the_truth(batch: Namespace) -> None:
    ended(batch, "failing")
    heads, row = batch.kubectl("get", "acj", "failing").stdout.splitlines()
    assert heads.split()[:5] == ["NAME", "PHASE", "REASON", "ATTEMPTS", "EXIT"]
    assert row.split()[:5] == ["failing", "Failed", "Error", "1", "3"]


def test_a_finished_job_leaves_no_pod_and_is_deleted_at_once(batch: Namespace) -> None:
    ended(batch, "good")
    until("its pod is gone", lambda: not [p for p in pods(batch) if p["metadata"]["name"].startswith("good-")], 20)
    until("it is not held", lambda: not batch.job("good")["metadata"].get("finalizers"), 10)
    batch.kubectl("delete", "acj", "good", "--timeout=5s")


def test_an_image_that_cannot_be_pulled_is_named_and_the_job_can_be_deleted(
    airflow: Airflow, namespace: Namespace
) -> None:
    namespace.apply(job("unpullable", "true", image="localhost:1/no/such:image"))
    status = until_phase(namespace, "unpullable", "Queued", reason="ImagePullBackOff")
    assert "localhost:1/no/such:image" in status["message"]
    namespace.kubectl("delete", "acj", "unpullable", "--timeout=20s")
    until("its pod is gone", lambda: not pods(namespace), 20)
    assert airflow.run(status["dagRunId"])["state"] == "failed"
