"""The parts of bench/scale that only compute: which process belongs to what, when what happened, and the figures."""

import asyncio
import os

import pytest

from bench.alone.api_server import ApiServer
from bench.processes import DRIVER, Process, Usage, part_of
from bench.scale.floors import most_per_second
from bench.scale.journal import Journal, Times
from bench.scale.latencies import summary
from bench.scale.load import resource
from bench.scale.parts import Stage


def test_only_what_happened_counts() -> None:
    done = Times(applied=10.0, accepted=10.5, pod_created=11.0, pod_ended=20.0, over=20.25, succeeded=True)
    held = Times(applied=10.0)
    failed = Times(applied=10.0, accepted=11.0, pod_created=12.0, pod_ended=20.0, over=21.0)
    found = summary([done, held, failed], [done, failed])
    assert found["not_accepted"] == 1
    assert found["not_over"] == 0
    assert found["failed"] == 1
    assert found["apply_to_accepted"] == {"p50": 0.5, "p99": 1.0, "max": 1.0}
    assert found["pod_end_to_terminal"] == {"p50": 0.25, "p99": 1.0, "max": 1.0}


def test_the_journal_keeps_the_first_time_of_each_step() -> None:
    journal = Journal(ApiServer.__new__(ApiServer), "somewhere")
    job = journal.jobs["one"] = Times(applied=0.0)
    pod = {"metadata": {"ownerReferences": [{"name": "one"}]}, "status": {"phase": "Running"}}
    journal.see_pod(pod)
    created = job.pod_created
    assert created is not None
    assert job.pod_ended is None
    journal.see_pod({**pod, "status": {"phase": "Succeeded"}})
    journal.see_resource({"metadata": {"name": "one"}, "status": {"phase": "Running", "dagRunState": "running"}})
    accepted = job.accepted
    assert accepted is not None
    assert job.over is None
    journal.see_resource({"metadata": {"name": "one"}, "status": {"phase": "Succeeded", "dagRunState": "success"}})
    journal.see_resource({"metadata": {"name": "stranger"}, "status": {"phase": "Succeeded"}})
    assert (job.pod_created, job.accepted, job.succeeded) == (created, accepted, True)
    assert job.over is not None


def test_a_watch_that_broke_gives_no_figures() -> None:
    """What it did not see would be counted as never having happened."""

    async def broken() -> None:
        raise RuntimeError("the watch broke")

    async def look() -> None:
        on = Stage(ApiServer.__new__(ApiServer), "somewhere")
        with pytest.raises(RuntimeError, match="no job ended"):
            on.figures([], [])
        on.journal._tasks.append(asyncio.create_task(broken()))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="the watch broke"):
            on.figures([], [Times(applied=0.0)])

    asyncio.run(look())


@pytest.mark.parametrize(
    ("number", "part"),
    [
        (2, "scheduler"),
        (3, "scheduler"),  # a child, by its parent
        (4, "postgres"),
        (5, ""),
        (os.getpid(), DRIVER),
    ],
)
def test_a_process_belongs_to_its_command_or_to_its_parent(number: int, part: str) -> None:
    table = {
        1: Process(0, "/sbin/init", 0.0),
        2: Process(1, "/opt/venv/bin/python3 /opt/venv/bin/airflow scheduler ", 0.0),
        3: Process(2, "sh -c serve-logs", 0.0),
        4: Process(1, "postgres: airflow airflow 10.0.0.1(1) idle", 0.0),
        5: Process(1, "bash", 0.0),
        os.getpid(): Process(1, "python -m bench.scale", 0.0),
    }
    assert part_of(number, table) == part


def test_what_a_part_takes_is_told_process_by_process() -> None:
    """One that began anew counts from its start, and what one took that has ended is not taken off the others."""
    before = {
        (7, 1): ("operator", 50.0),
        (8, 1): ("etcd", 1.0),
        (9, 1): ("containerd", 500.0),
        (3, 1): ("containerd", 5.0),
    }
    after = {(7, 2): ("operator", 2.0), (8, 1): ("etcd", 4.0), (3, 1): ("containerd", 6.0)}
    spent = Usage(10.0, after, {}, 110.0).since(Usage(0.0, before, {}, 100.0))
    assert spent == {"operator": 2.0, "etcd": 3.0, "containerd": 1.0, "whole machine": 10.0}


def test_a_simulated_job_says_how_long_it_runs() -> None:
    annotations = resource("one", 1.5)["spec"]["podMetadata"]["annotations"]
    assert list(annotations.values()) == ["1500ms"]


def test_what_a_job_takes_at_the_least_says_how_many_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert most_per_second(200.0) == 10.0
