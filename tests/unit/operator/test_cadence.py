"""When Airflow is asked again."""

from __future__ import annotations

from airflow_container_job.cadence import Cadence


class Counted(float):
    """A time that counts how often it is compared."""

    comparisons = 0

    def _count(self, outcome: bool) -> bool:
        Counted.comparisons += 1
        return outcome

    def __lt__(self, other: float) -> bool:
        return self._count(float(self) < other)

    def __le__(self, other: float) -> bool:
        return self._count(float(self) <= other)

    def __gt__(self, other: float) -> bool:
        return self._count(float(self) > other)

    def __ge__(self, other: float) -> bool:
        return self._count(float(self) >= other)


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
    assert asked(100, late=80, later=70, young=95, just=90, coming=120).late(100, 10) == ["later", "late"]


def test_a_run_is_expected_by_the_time_given_last() -> None:
    cadence = asked(100, run=99)
    cadence.expect("run", 130)
    assert cadence.due(100) == 115
    assert cadence.late(140, 5) == ["run"]
    assert list(cadence.runs) == ["run"]


def test_when_to_ask_next_is_found_without_a_look_at_each_run() -> None:
    cadence = asked(0, **{f"run-{number}": float(number) for number in range(10_000)})
    Counted.comparisons = 0
    assert cadence.due(Counted(5000)) == 0.5
    assert Counted.comparisons < 100
