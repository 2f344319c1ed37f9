"""What `make bench` makes of its measurements: the pure parts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from bench import measure as measuring
from bench import report
from bench.__main__ import Bench
from bench.asked import OPERATOR, parse_access, parse_audit
from bench.contenders import Refused
from bench.figures import Spread, percentile, ratio
from bench.measure import Measured, measure
from bench.processes import Process, part_of
from bench.report import Run, wall
from bench.results import table

SINCE = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, part) for part in (0, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([3.0, 1.0], 50) == 1.0


def test_ratios_compare_the_same_rounds() -> None:
    assert ratio([2, 9], [1, 3]) == Spread(2.5, 2, 3)
    assert ratio([8], [1, 2, 4], bound=True) == Spread(4, 4, 4, bound=True)
    assert str(Spread(4, 4, 4, bound=True)) == "≥ 4.00"
    assert str(Spread(2.5, 2, 3)) == "2.50 (2.00 to 3.00)"


def test_a_burst_that_was_cut_gives_a_lower_bound() -> None:
    ours = Measured("container-jobs", 30, 30, 16.0, {"whole machine": 30.0}, {})
    cut = Measured("stock", 30, 9, 480.0, {"whole machine": 900.0}, {})
    assert Run([ours, cut]).ratio("stock", "container-jobs", 30, wall) == Spread(30, 30, 30, bound=True)
    assert Run([ours]).ratio("stock", "container-jobs", 30, wall) is None


def test_how_many_times_faster_is_told_by_what_was_over_in_the_time() -> None:
    ours = Measured("container-jobs", 30, 30, 15.0, {}, {})
    assert Run([ours, Measured("stock", 30, 10, 480.0, {}, {})]).times_faster("stock", 30) == Spread(96, 96, 96)
    none = Run([ours, Measured("stock", 30, 0, 480.0, {}, {})]).times_faster("stock", 30)
    assert none == Spread(960, 960, 960, bound=True)


def test_what_the_operator_asks_anyway_is_not_a_jobs_doing() -> None:
    bare = Measured("jobs", 100, 100, 58.0, {}, {}, {"GET dagRuns": 6}, {"operator": {}})
    ours = Measured("container-jobs", 1, 1, 8.0, {}, {}, {"GET dagRuns": 1, "POST dagRuns": 1}, {"operator": {}})
    assert Run([bare, ours]).requests_per_job(1) == Spread(1.0, 1.0, 1.0)
    assert Run([bare]).requests_per_job(1) is None


class Burst:
    """One of three containers that behaves as a test says."""

    def __init__(self, *states: str, refused: str = "") -> None:
        self._states, self._refused = states, refused
        self.stopped = False

    def start(self) -> None:
        if self._refused:
            raise Refused(self._refused)

    def states(self) -> list[str]:
        return [*self._states]

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster, and no waiting."""
    monkeypatch.setattr("bench.asked.requests", lambda _since: {})
    monkeypatch.setattr("bench.asked.writes", lambda _since: {})
    monkeypatch.setattr(measuring, "AFTERWARDS", 0.0)


@pytest.mark.usefixtures("nothing_asked")
def test_a_burst_that_may_fail_is_told_as_far_as_it_came() -> None:
    cut = Burst("good", "failed")
    assert measure("stock", cut, 3, 0.0, may_fail=True).over == 1
    refused = Burst(refused="500")
    assert measure("stock", refused, 3, 60.0, may_fail=True).over == 0
    assert cut.stopped
    assert refused.stopped


@pytest.mark.usefixtures("nothing_asked")
def test_a_burst_that_must_not_fail_ends_the_measurement_and_leaves_no_runs() -> None:
    refused = Burst(refused="500")
    with pytest.raises(Refused, match="500"):
        measure("rest", refused, 3, 60.0)
    failed = Burst("good", "failed")
    with pytest.raises(SystemExit):
        measure("rest", failed, 3, 0.0)
    assert refused.stopped
    assert failed.stopped


def test_what_measuring_takes_is_no_ways_doing() -> None:
    assert Measured("jobs", 1, 1, 5.0, {"whole machine": 9.0, "this measurement": 2.5}, {}).used == 6.5


def test_an_aim_that_was_not_measured_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    written: dict[str, dict[str, int]] = {"operator": {}, "airflow": {}}
    ours = Measured("container-jobs", 1, 1, 8.0, {"whole machine": 3.0}, {}, {}, written)
    report.write([ours], keep=False)
    assert "| 30 at once, jobs per second, times those of KubernetesPodOperator | ≥ 15 | not measured |" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(("counts", "whole"), [((1, 30, 100), True), ((1, 30), False)])
def test_only_a_run_of_everything_is_kept(counts: tuple[int, ...], whole: bool) -> None:
    bench = Bench.__new__(Bench)
    kinds = [*report.NAMES]
    bench.found = [Measured(kind, count, count, 1.0, {}, {}) for kind in kinds for count in counts]
    assert bench.whole is whole


def access(at: str, address: str, method: str, path: str) -> str:
    return (
        f"2026-11-23T{at}Z [info     ] request finished               [http.access] client_addr={address}:4711 "
        f"duration_us=9 loc=http_access_log.py:130 method={method} path={path} query=limit=1 status_code=200"
    )


def test_requests_are_the_operators_and_of_the_time() -> None:
    lines = [
        access("02:59:59.9", "10.244.0.7", "POST", "/api/v2/dags/container_job/dagRuns"),
        access("03:00:00.1", "10.244.0.7", "POST", "/api/v2/dags/container_job/dagRuns"),
        access("03:00:01.1", "10.244.0.7", "GET", "/api/v2/dags/container_job/dagRuns/acj-1-2-1"),
        access("03:00:01.2", "10.244.0.71", "GET", "/api/v2/version"),
        "Traceback (most recent call last):",
    ]
    assert parse_access(lines, "10.244.0.7", SINCE) == {
        "POST /api/v2/dags/container_job/dagRuns": 1,
        "GET /api/v2/dags/container_job/dagRuns/ID": 1,
    }


def audited(at: str, user: str, verb: str, **about: str) -> str:
    when = f"2026-11-23T{at}.000000Z"
    return json.dumps({"requestReceivedTimestamp": when, "user": {"username": user}, "verb": verb, "objectRef": about})


def test_writes_are_counted_by_account() -> None:
    lines = [
        audited("02:59:59", OPERATOR, "patch", resource="airflowcontainerjobs"),
        audited("03:00:00", OPERATOR, "patch", resource="airflowcontainerjobs", subresource="status"),
        audited("03:00:01", "system:serviceaccount:airflow:airflow", "create", resource="pods"),
    ]
    assert parse_audit(lines, SINCE) == {
        "operator": {"patch airflowcontainerjobs/status": 1},
        "airflow": {"create pods": 1},
    }


def test_a_process_counts_for_its_parent_unless_it_says_what_it_is() -> None:
    table_of = {
        1: Process(0, "/sbin/init", 0),
        2: Process(1, "containerd-shim-runc-v2 -id x", 0),
        3: Process(2, "/opt/venv/bin/python airflow scheduler", 0),
        4: Process(3, "airflow worker -- LocalExecutor: idle", 0),
        5: Process(4, "sh", 0),
        6: Process(1, "sleep 1", 0),
    }
    assert [part_of(number, table_of) for number in range(2, 7)] == [
        "containerd",
        "scheduler",
        "workers",
        "workers",
        "",
    ]


def test_a_table() -> None:
    assert table(["a", "b"], [["x", 1]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
