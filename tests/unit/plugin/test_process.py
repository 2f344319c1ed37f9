"""The plugin as a process among others: signals that ask it to end, readers of its output who leave or do not read."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from kubectl_acj.job import Json
from tests.support.wait import until
from tests.unit.plugin.builders import JOBS, PODS, STARTED, job, listed, pod, serve, version
from tests.unit.plugin.server import OVER, Script

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]

LOG = f"GET {PODS}/first/log"
MORE_THAN_A_PIPE_HOLDS = "a line\n" * 40_000
ENDED: Json = {"attempts": [{"number": 1, "podName": "first"}], "reason": "Completed"}


@pytest.fixture
def start(kubeconfig: Path) -> Start:
    """Let `kubectl acj` with these words run beside a block; its output is not read unless the block does."""
    signals = (
        "import signal as s; s.signal(1, s.SIG_DFL); s.signal(15, s.SIG_DFL); s.signal(2, s.default_int_handler); "
    )
    main = "from kubectl_acj.cli import main; main()"

    @contextmanager
    def started(*words: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-c", f"{signals}{before}{main}", f"--kubeconfig={kubeconfig}", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    return started


def said(process: subprocess.Popen[str]) -> str:
    """What it has said on standard error, once it is over."""
    assert process.stderr is not None
    return process.stderr.read()


def leave(process: subprocess.Popen[str]) -> None:
    """Read no more of its results, and close the pipe."""
    assert process.stdout is not None
    process.stdout.close()


def one_line(process: subprocess.Popen[str]) -> str:
    """The next line of its results; waits for it."""
    assert process.stdout is not None
    return process.stdout.readline()


def deletions(server: Script) -> int:
    """How often it was asked to delete the job."""
    return [what for what, _, _ in server.asked].count(f"DELETE {JOBS}/hello")


def follow(server: Script, *turns: Json | str) -> None:
    """A job, just made, that runs in one pod; what is told of it then."""
    server.answer(f"POST {JOBS}", (201, job()))
    serve(server, job("Running"))
    server.answer(f"WATCH {JOBS}", (200, [version(job("Running")), *turns, OVER]))
    server.answer(f"GET {PODS}", listed(pod("first", state=STARTED)))
    server.answer(f"WATCH {PODS}", (200, [OVER]))
    server.answer(f"DELETE {JOBS}/hello", (200, {}))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_run_with_rm_deletes_its_job_at_a_signal_that_asks_it_to_end(
    server: Script, start: Start, number: signal.Signals
) -> None:
    follow(server)
    server.answer(LOG, (200, [{"begun": True}, OVER]))
    with start("run", "hello", "--image=i", "--rm") as process:
        assert one_line(process)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert deletions(server) == 1
        assert "it is deleted" in said(process).splitlines()


def test_a_second_signal_does_not_break_off_the_deletion(server: Script, start: Start) -> None:
    """As a closed terminal sends it, beside that of the shell."""
    follow(server)
    server.answer(LOG, (200, [{"begun": True}, OVER]))
    server.answer(f"DELETE {JOBS}/hello", (200, ["the second is sent", {}]))
    with start("run", "hello", "--image=i", "--rm") as process:
        assert one_line(process)
        process.send_signal(signal.SIGHUP)
        until("it deletes", lambda: deletions(server) == 1, 60)
        process.send_signal(signal.SIGTERM)
        server.reached["the second is sent"].set()
        assert process.wait(60) == 128 + signal.SIGHUP


def test_under_nohup_the_end_of_the_terminal_ends_nothing(server: Script, start: Start) -> None:
    follow(server, "the terminal is gone", version(job("Succeeded", **ENDED)))
    server.answer(LOG, (200, [{"begun": True}]))
    with start("run", "hello", "--image=i", before="s.signal(1, s.SIG_IGN); ") as process:
        assert one_line(process)
        process.send_signal(signal.SIGHUP)
        server.reached["the terminal is gone"].set()
        assert process.wait(60) == 0


@pytest.mark.parametrize("words", [["logs", "-f", "hello"], ["list", "--watch"]])
def test_what_only_shows_something_ends_when_nobody_reads_any_more(
    server: Script, start: Start, words: list[str]
) -> None:
    later = job("Running", reason="Running")
    later["metadata"]["resourceVersion"] = "8"
    follow(server, "the reader has left", version(later))
    server.answer(LOG, (200, [{"line": 1}, "the reader has left", {"line": 2}, OVER]))
    with start(*words) as process:
        assert one_line(process)
        leave(process)
        server.reached["the reader has left"].set()
        assert process.wait(60) == 141
        assert "Traceback" not in said(process)


@pytest.mark.parametrize(("phase", "code"), [("Succeeded", 0), ("Failed", 1)])
@pytest.mark.parametrize("words", [["run", "hello", "--image=i"], ["wait", "hello"]])
def test_what_ends_as_a_job_ends_does_so_when_nobody_reads(
    server: Script, start: Start, words: list[str], phase: str, code: int
) -> None:
    follow(server, "the reader has left", version(job(phase, **ENDED)))
    server.answer(LOG, (200, ["the reader has left", {"line": 1}]))
    with start(*words) as process:
        leave(process)
        assert process.stderr is not None
        process.stderr.close()
        server.reached["the reader has left"].set()
        assert process.wait(60) == code


def test_a_list_that_nobody_reads_is_no_error(server: Script, start: Start) -> None:
    follow(server)
    with start("list") as process:
        leave(process)
        assert process.wait(60) == 0


def test_a_timeout_is_kept_while_nobody_reads_the_log(server: Script, start: Start) -> None:
    follow(server, LOG, version(job("Queued")))
    server.answer(LOG, (200, MORE_THAN_A_PIPE_HOLDS))
    with start("run", "hello", "--image=i", "--timeout=2s") as process:
        assert process.wait(60) == 3
        assert "timed out waiting for the end of hello; hello goes on" in said(process)
