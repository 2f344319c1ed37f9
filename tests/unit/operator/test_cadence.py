"""When Airflow is asked again."""

from __future__ import annotations

from airflow_container_job.cadence import Cadence


def asked(at: float, **expected: float) -> Cadence:
    cadence = Cadence(idle=15)
    cadence.asked_at = at
    for run, time in expected.items():
        cadence.expect(run, time)
    return cadence


def test_while_nothing_is_expected_the_idle_pause_is_kept() -> None:
    assert asked(100).due(101) == 115


def test_an_end_that_is_due_is_asked_for_often_and_then_ever_more_rarely() -> None:
    assert asked(100, run=99).due(100) == 100.5
    assert asked(110, run=99).due(110) == 112
    assert asked(200, run=99).due(200) == 210


def test_an_end_that_is_due_later_is_waited_for() -> None:
    assert asked(90, run=101).due(100) == 101
    assert asked(100, run=100.2).due(100) == 100.5, "not sooner after another question"


def test_the_youngest_expectation_counts() -> None:
    assert asked(200, old=10, young=199).due(200) == 200.5


def test_what_is_dropped_is_not_asked_for() -> None:
    cadence = asked(100, run=99)
    cadence.drop("run")
    cadence.drop("unknown")
    assert cadence.due(100) == 115
    assert cadence.since("run") is None


def test_the_late_are_named() -> None:
    assert asked(100, late=80, young=95, coming=120).late(100, 10) == ["late"]
