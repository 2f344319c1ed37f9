"""`kubectl acj` as it is typed: kubectl finds the plugin, and it works on real jobs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest
import yaml

from tests.e2e.jobs import GRACE, ended, job, pods_of, until_phase
from tests.support.cluster import Json, Namespace
from tests.support.wait import until

UNTIL_TOLD = "echo begun; until [ -e /go ]; do sleep 0.2; done; echo ended"

SECONDS = 120
"""What a command may take before it is ended."""

BATCH = [
    job("told", UNTIL_TOLD),
    job("fails", "echo no such table; exit 3"),
    job("kept", "echo good morning", podRetention="Keep"),
    job("sleeps", "echo asleep; sleep 600", **GRACE),
]


def acj(
    namespace: Namespace, *words: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `kubectl acj` in a namespace."""
    return subprocess.run(
        _typed(namespace, words),
        env={**namespace.cluster.environment, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextmanager
def started(namespace: Namespace, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Let `kubectl acj` run beside the block; it is ended before a read of what it writes could wait for ever."""
    process = subprocess.Popen(
        _typed(namespace, words), env=namespace.cluster.environment, stdout=subprocess.PIPE, text=True
    )
    limit = threading.Timer(SECONDS, process.kill)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def _typed(namespace: Namespace, words: tuple[str, ...]) -> list[str]:
    verb, *others = words
    return ["kubectl", "acj", verb, f"--namespace={namespace.name}", *others]


def on_a_terminal(namespace: Namespace, *words: str, environment: Mapping[str, str] | None = None) -> str:
    """What `kubectl acj` writes to a terminal."""
    ours, theirs = pty.openpty()
    more = {"TERM": "xterm-256color", **(environment or {})}
    process = subprocess.Popen(_typed(namespace, words), env=namespace.cluster.environment | more, stdout=theirs)
    os.close(theirs)
    written = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):  # which tells that the other end is closed
        while piece := terminal.read(4096):
            written += piece
    assert process.wait(SECONDS) == 0
    return written.decode()


def line(process: subprocess.Popen[str]) -> str:
    """The next line that a command writes; waits for it."""
    assert process.stdout is not None
    return process.stdout.readline()


def test_logs_live_from_the_pod_and_from_airflow_once_it_is_gone(batch: Namespace) -> None:
    with started(batch, "logs", "-f", "told") as following:
        assert line(following) == "begun\n"
        assert acj(batch, "logs", "told").stdout == "begun\n"
        status = until_phase(batch, "told", "Running")
        batch.kubectl("exec", status["podName"], "--", "touch", "/go")
        assert line(following) == "ended\n"
        assert following.wait(60) == 0
    ended(batch, "told")
    until("its pod is gone", lambda: not pods_of(batch, "told"), 30)
    done = acj(batch, "logs", "acj/told")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines.index("begun") < lines.index("ended")
    nowhere = dict.fromkeys(("AIRFLOW_URL", "AIRFLOW_USERNAME", "AIRFLOW_PASSWORD"), "")
    done = acj(batch, "logs", "told", environment=nowhere)
    assert (done.returncode, done.stdout) == (4, "")
    assert "set AIRFLOW_URL" in done.stderr


def test_logs_of_a_kept_pod_are_the_containers_alone(batch: Namespace) -> None:
    ended(batch, "kept")
    assert acj(batch, "logs", "kept").stdout == "good morning\n"


def test_wait_ends_as_the_jobs_end(batch: Namespace) -> None:
    done = acj(batch, "wait", "kept", "fails", "--timeout=2m")
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        [
            "airflowcontainerjob.acj.dev/kept Succeeded: Completed",
            "airflowcontainerjob.acj.dev/fails Failed: Error, exit code 3",
        ],
    )
    done = acj(batch, "wait", "kept", "-o", "name")
    assert (done.returncode, done.stdout) == (0, "airflowcontainerjob.acj.dev/kept\n")
    assert acj(batch, "wait", "nobody").returncode == 4


def test_a_job_is_stopped_and_run_again(batch: Namespace) -> None:
    assert acj(batch, "wait", "sleeps", "--for=running", "--timeout=90s").returncode == 0
    assert acj(batch, "wait", "sleeps", "--timeout=1s").returncode == 3
    assert acj(batch, "stop", "sleeps").returncode == 0
    done = acj(batch, "wait", "sleeps", "--timeout=60s")
    assert (done.returncode, done.stdout) == (1, "airflowcontainerjob.acj.dev/sleeps Failed: Stopped\n")
    assert acj(batch, "rerun", "sleeps").returncode == 0
    with started(batch, "logs", "-f", "sleeps") as following:
        assert line(following) == "asleep\n"
    assert acj(batch, "wait", "sleeps", "--for=running", "--timeout=60s").returncode == 0
    assert [run["number"] for run in batch.status("sleeps")["runs"]] == [1, 2]
    assert acj(batch, "stop", "sleeps", "-o", "yaml").returncode == 0
    assert batch.job("sleeps")["spec"]["shutdown"] == "Stop"


def test_run_shows_the_log_ends_as_the_job_and_leaves_nothing_with_rm(batch: Namespace) -> None:
    words = ["--image=busybox:1.35", "--env=WHO=world", "--rm", "--command", "--"]
    done = acj(batch, "run", "once", *words, "sh", "-c", "echo hello $WHO; exit 1")
    assert "hello world" in done.stdout.splitlines()
    assert done.stderr.splitlines()[-1] == "once: Failed: Error, exit code 1"
    assert done.returncode == 1
    until("it is deleted", lambda: batch.find_job("once") is None, 60)


def test_lists(batch: Namespace) -> None:
    ended(batch, "kept")
    ended(batch, "fails")
    table = acj(batch, "list", environment={"FORCE_COLOR": "1"}).stdout
    assert "\x1b" not in table
    head, *rows = (row.split() for row in table.splitlines())
    assert head == ["NAME", "PHASE", "REASON", "ATTEMPTS", "EXIT", "START", "AGE"]
    assert ["fails", "Failed", "Error", "1", "3"] in [row[:5] for row in rows]
    assert f"{batch.name} " in acj(batch, "list", "-A").stdout
    names = {item["metadata"]["name"] for item in json.loads(acj(batch, "list", "-o", "json").stdout)["items"]}
    assert {"fails", "kept"} <= names
    assert yaml.safe_load(acj(batch, "list", "-o", "yaml").stdout)["kind"] == "List"
    assert "airflowcontainerjob.acj.dev/kept" in acj(batch, "list", "-o", "name").stdout.splitlines()


def test_colours_are_for_terminals_without_no_color(batch: Namespace) -> None:
    ended(batch, "fails")
    assert "\x1b[31mFailed" in on_a_terminal(batch, "list")
    assert "\x1b" not in on_a_terminal(batch, "list", environment={"NO_COLOR": "1"})


def test_list_watches(batch: Namespace) -> None:
    with started(batch, "list", "--watch") as watching:
        assert line(watching).split()[:2] == ["NAME", "PHASE"]
        batch.apply(job("late", "true", suspend=True))
        seen = iter(lambda: line(watching).split()[:3], [])
        assert ["late", "Suspended", "Suspended"] in seen


def test_describe_tells_the_story_in_order(batch: Namespace) -> None:
    ended(batch, "fails")
    story = acj(batch, "describe", "fails")
    assert (story.returncode, story.stderr) == (0, "")
    turns = [
        "Job         created",
        "DagRun      queued",
        "Condition   Triggered is True",
        "the container started",
        "it ended: Error, exit code 3",
        "Condition   Finished is True: Error",
    ]
    places = [story.stdout.find(turn) for turn in turns]
    assert -1 not in places, story.stdout
    assert places[0] < min(places[1:3])
    assert max(places[1:3]) < places[3] < places[4] < places[5], story.stdout
    assert "Event       Warning Error of AirflowContainerJob" in story.stdout
    assert "no such table" in story.stdout


def test_open_writes_where_the_run_is(batch: Namespace) -> None:
    status: Json = ended(batch, "kept")
    assert acj(batch, "open", "kept").stdout == f"{status['dagRunUrl']}\n"


@pytest.mark.parametrize(
    ("typed", "offered"), [(["re"], "rerun"), (["stop", "kep"], "kept"), (["wait", "--for", ""], "running")]
)
def test_kubectl_completes_our_words(batch: Namespace, typed: list[str], offered: str) -> None:
    words = [f"--namespace={batch.name}", *typed]
    done = batch.cluster.kubectl("__complete", "acj", *words)
    *candidates, directive = done.stdout.splitlines()
    assert offered in [candidate.partition("\t")[0] for candidate in candidates]
    assert directive == ":4"


def test_the_operators_image_is_without_the_plugin(batch: Namespace) -> None:
    look = "import importlib.util, shutil; print(importlib.util.find_spec('kubectl_acj'), shutil.which('kubectl-acj'))"
    operator = ["--namespace=airflow-container-job", "exec", "deployment/operator", "--", "python", "-c", look]
    assert batch.cluster.kubectl(*operator).stdout == "None None\n"
