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

from tests.support.cluster import Json, Namespace
from tests.support.jobs import GRACE, ended, job, pods_of, until_phase
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


class Plugin:
    """`kubectl acj`, typed in a namespace."""

    def __init__(self, namespace: Namespace, environment: Mapping[str, str]) -> None:
        self._namespace = namespace.name
        self._environment = {**namespace.cluster.environment, **environment}

    def __call__(self, verb: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it, with more variables in its environment."""
        return self._run("acj", verb, f"--namespace={self._namespace}", *words, **environment)

    def complete(self, *words: str) -> list[str]:
        """What kubectl offers for the last of these words, and its directive."""
        return self._run("__complete", "acj", f"--namespace={self._namespace}", *words).stdout.splitlines()

    def on_a_terminal(self, verb: str, **environment: str) -> str:
        """What it writes to a terminal."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            self._typed(verb), env={**self._environment, "TERM": "xterm-256color", **environment}, stdout=theirs
        )
        os.close(theirs)
        written = b""
        with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):  # which tells of the other end's close
            while piece := terminal.read(4096):
                written += piece
        assert process.wait(SECONDS) == 0
        return written.decode()

    @contextmanager
    def started(self, verb: str, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Let it run beside the block; it is ended before a read of what it writes could wait for ever."""
        process = subprocess.Popen(self._typed(verb, *words), env=self._environment, stdout=subprocess.PIPE, text=True)
        limit = threading.Timer(SECONDS, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()
            process.communicate()

    def _typed(self, verb: str, *words: str) -> list[str]:
        return ["kubectl", "acj", verb, f"--namespace={self._namespace}", *words]

    def _run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *words],
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def acj(batch: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    """The plugin beside the jobs of BATCH. Bytecode is kept: without it each command would compile the client anew."""
    cache = {"PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode")), "PYTHONDONTWRITEBYTECODE": ""}
    return Plugin(batch, cache)


def line(process: subprocess.Popen[str]) -> str:
    """The next line that a command writes; waits for it."""
    assert process.stdout is not None
    return process.stdout.readline()


def test_logs_live_from_the_pod_and_from_airflow_once_it_is_gone(acj: Plugin, batch: Namespace) -> None:
    with acj.started("logs", "-f", "told") as following:
        assert line(following) == "begun\n"
        assert acj("logs", "told").stdout == "begun\n"
        status = until_phase(batch, "told", "Running")
        batch.kubectl("exec", status["podName"], "--", "touch", "/go")
        assert line(following) == "ended\n"
        assert following.wait(60) == 0
    ended(batch, "told")
    until("its pod is gone", lambda: not pods_of(batch, "told"), 30)
    done = acj("logs", "acj/told")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines.index("begun") < lines.index("ended")
    nowhere = dict.fromkeys(("AIRFLOW_URL", "AIRFLOW_USERNAME", "AIRFLOW_PASSWORD"), "")
    done = acj("logs", "told", **nowhere)
    assert (done.returncode, done.stdout) == (4, "")
    assert "set AIRFLOW_URL" in done.stderr


def test_logs_of_a_kept_pod_are_the_containers_alone(acj: Plugin, batch: Namespace) -> None:
    ended(batch, "kept")
    assert acj("logs", "kept").stdout == "good morning\n"


def test_wait_ends_as_the_jobs_end(acj: Plugin) -> None:
    done = acj("wait", "kept", "fails", "--timeout=2m")
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        [
            "airflowcontainerjob.acj.dev/kept Succeeded: Completed",
            "airflowcontainerjob.acj.dev/fails Failed: Error, exit code 3",
        ],
    )
    done = acj("wait", "kept", "-o", "name")
    assert (done.returncode, done.stdout) == (0, "airflowcontainerjob.acj.dev/kept\n")
    assert acj("wait", "nobody").returncode == 4


def test_a_job_is_stopped_and_run_again(acj: Plugin, batch: Namespace) -> None:
    assert acj("wait", "sleeps", "--for=running", "--timeout=90s").returncode == 0
    assert acj("wait", "sleeps", "--timeout=1s").returncode == 3
    assert acj("stop", "sleeps").returncode == 0
    done = acj("wait", "sleeps", "--timeout=60s")
    assert done.returncode == 1
    assert done.stdout.startswith("airflowcontainerjob.acj.dev/sleeps Failed: Stopped")
    assert acj("rerun", "sleeps").returncode == 0
    with acj.started("logs", "-f", "sleeps") as following:
        assert line(following) == "asleep\n"
    assert acj("wait", "sleeps", "--for=running", "--timeout=60s").returncode == 0
    assert [run["number"] for run in batch.status("sleeps")["runs"]] == [1, 2]
    assert acj("stop", "sleeps", "-o", "yaml").returncode == 0
    assert batch.job("sleeps")["spec"]["shutdown"] == "Stop"


def test_run_shows_the_log_ends_as_the_job_and_leaves_nothing_with_rm(acj: Plugin, batch: Namespace) -> None:
    words = ["--image=busybox:1.35", "--env=WHO=world", "--rm", "--command", "--"]
    done = acj("run", "once", *words, "sh", "-c", "echo hello $WHO; exit 1")
    assert "hello world" in done.stdout.splitlines()
    assert done.stderr.splitlines()[-1] == "once: Failed: Error, exit code 1"
    assert done.returncode == 1
    until("it is deleted", lambda: batch.find_job("once") is None, 60)


def test_lists(acj: Plugin, batch: Namespace) -> None:
    ended(batch, "kept")
    ended(batch, "fails")
    table = acj("list", FORCE_COLOR="1").stdout
    assert "\x1b" not in table
    head, *rows = (row.split() for row in table.splitlines())
    assert head == ["NAME", "PHASE", "REASON", "ATTEMPTS", "EXIT", "START", "AGE"]
    assert ["fails", "Failed", "Error", "1", "3"] in [row[:5] for row in rows]
    assert f"{batch.name} " in acj("list", "-A").stdout
    names = {item["metadata"]["name"] for item in json.loads(acj("list", "-o", "json").stdout)["items"]}
    assert {"fails", "kept"} <= names
    assert yaml.safe_load(acj("list", "-o", "yaml").stdout)["kind"] == "List"
    assert "airflowcontainerjob.acj.dev/kept" in acj("list", "-o", "name").stdout.splitlines()


def test_colours_are_for_terminals_without_no_color(acj: Plugin, batch: Namespace) -> None:
    ended(batch, "fails")
    assert "\x1b[31mFailed" in acj.on_a_terminal("list")
    assert "\x1b" not in acj.on_a_terminal("list", NO_COLOR="1")


def test_list_watches(acj: Plugin, batch: Namespace) -> None:
    with acj.started("list", "--watch") as watching:
        assert line(watching).split()[:2] == ["NAME", "PHASE"]
        batch.apply(job("late", "true", suspend=True))
        seen = iter(lambda: line(watching).split()[:3], [])
        assert ["late", "Suspended", "Suspended"] in seen


def test_describe_tells_the_story_in_order(acj: Plugin, batch: Namespace) -> None:
    ended(batch, "fails")
    story = acj("describe", "fails")
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


def test_open_writes_where_the_run_is(acj: Plugin, batch: Namespace) -> None:
    status: Json = ended(batch, "kept")
    assert acj("open", "kept").stdout == f"{status['dagRunUrl']}\n"


@pytest.mark.parametrize(
    ("typed", "offered"), [(["re"], "rerun"), (["stop", "kep"], "kept"), (["wait", "--for", ""], "running")]
)
def test_kubectl_completes_our_words(acj: Plugin, typed: list[str], offered: str) -> None:
    *candidates, directive = acj.complete(*typed)
    assert offered in [candidate.partition("\t")[0] for candidate in candidates]
    assert directive == ":4"
