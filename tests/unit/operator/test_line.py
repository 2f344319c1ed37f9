"""Whose turn it is: limits, fairness between namespaces, priority, age; and what those who wait are told."""

from __future__ import annotations

from airflow_container_job.job import Job
from airflow_container_job.line import STARTING, Line
from tests.unit.operator.builders import SPEC, job


def one(uid: str, namespace: str = "a", priority: int = 0, created: str = "2026-11-22T12:00:00Z") -> Job:
    about = {"uid": uid, "namespace": namespace, "creationTimestamp": created}
    return job(spec=SPEC | {"priority": priority}, decided=None, about=about)


def line(limit: int = 1000, namespace_limit: int | None = None) -> Line:
    made = Line(limit, namespace_limit)
    made.open()
    return made


def drain(waiting: Line, jobs: list[Job]) -> list[str]:
    """Give all turns, each job ending as soon as it has begun; the order."""
    order = []
    while given := waiting.give_turns():
        for uid in given:
            order.append(uid)
            waiting.enter(next(each for each in jobs if each.uid == uid))
        for uid in given:
            waiting.leave(uid)
    return order


def test_priority_comes_before_age_and_age_before_nothing() -> None:
    jobs = [
        one("young", created="2026-11-22T12:00:05Z"),
        one("old", created="2026-11-22T12:00:01Z"),
        one("urgent", priority=5, created="2026-11-22T12:00:09Z"),
        one("last", priority=-1, created="2026-11-22T11:00:00Z"),
    ]
    waiting = line(limit=1)
    for each in jobs:
        waiting.join(each)
    assert drain(waiting, jobs) == ["urgent", "old", "young", "last"]


def test_a_single_job_is_not_behind_the_crowd_of_another_namespace() -> None:
    crowd = [one(f"crowd-{number:03}", "crowd") for number in range(100)]
    waiting = line()
    for each in crowd:
        waiting.join(each)
    assert len(waiting.give_turns()) == STARTING
    waiting.join(one("single", "other"))
    waiting.enter(crowd[0])
    assert waiting.give_turns() == ["single"]


def test_namespaces_take_turns_whatever_their_priorities() -> None:
    jobs = [one(f"{name}-{number}", name, priority) for name, priority in (("a", 9), ("b", 0)) for number in range(3)]
    waiting = line(limit=1)
    for each in jobs:
        waiting.join(each)
    assert drain(waiting, jobs) == ["a-0", "b-0", "a-1", "b-1", "a-2", "b-2"]


def test_a_namespace_whose_turns_come_to_nothing_is_served_as_often_as_the_others() -> None:
    refused = [one(f"refused-{number:02}", "a") for number in range(20)]
    good = [one(f"good-{number:02}", "b") for number in range(40)]
    waiting = line(limit=30)
    for each in refused + good:
        waiting.join(each)
    order = []
    while len(given := waiting.give_turns()) > 0:
        for uid in given:
            order.append(uid[0])
            if uid.startswith("good"):
                waiting.enter(good[int(uid[-2:])])
            else:
                waiting.leave(uid)
    assert order.count("g") == 30
    assert "".join(order[STARTING:]).startswith("rg" * 10)


def test_a_namespace_whose_run_is_taken_is_served_by_what_it_has_in_flight_again() -> None:
    crowd = {f"b-{number}": one(f"b-{number}", "b") for number in range(60)}
    jobs = {f"a-{number}": one(f"a-{number}", "a") for number in range(60)}
    waiting = line()
    waiting.join(jobs.pop("a-0"))
    waiting.give_turns()
    for number in range(20):
        waiting.enter(crowd.pop(f"b-{number}"))
    for each in (*crowd.values(), *jobs.values()):
        waiting.join(each)
    waiting.leave("a-0")
    given = waiting.give_turns()
    assert [uid[0] for uid in given] == ["b", "a"] * (STARTING // 2)
    for uid in given:
        waiting.enter((crowd | jobs)[uid])
    assert {uid[0] for uid in waiting.give_turns()} == {"a"}


def test_no_more_than_the_limit_are_in_flight_and_an_end_makes_room() -> None:
    jobs = [one(f"job-{number}") for number in range(5)]
    waiting = line(limit=2)
    for each in jobs:
        waiting.join(each)
    assert waiting.give_turns() == ["job-0", "job-1"]
    for each in jobs[:2]:
        waiting.enter(each)
    assert waiting.give_turns() == []
    waiting.leave("job-0")
    assert waiting.give_turns() == ["job-2"]
    assert [each.uid for each in jobs if waiting.has_turn(each.uid)] == ["job-1", "job-2"]


def test_a_namespace_at_its_limit_leaves_the_others_alone() -> None:
    waiting = line(namespace_limit=1)
    for each in (one("a-1", "a"), one("a-2", "a"), one("b-1", "b")):
        waiting.join(each)
    assert sorted(waiting.give_turns()) == ["a-1", "b-1"]
    held = waiting.held("a-2")
    assert held is not None
    assert held.reason == "Held"
    assert held.message == "Place 1 of 1 in line; 1 runs of the namespace are in flight, the most there may be."


def test_before_all_resources_are_known_nobody_has_a_turn() -> None:
    waiting = Line(1, None)
    waiting.join(one("early"))
    assert waiting.give_turns() == []
    assert waiting.held("early") is None
    waiting.enter(one("in-flight"))
    waiting.open()
    assert waiting.give_turns() == []


def test_places_are_told_across_namespaces_and_again_only_after_a_good_step_forward() -> None:
    waiting = line(limit=1)
    waiting.enter(one("flying", "z"))
    jobs = [one(f"{name}-{number:02}", name) for name in ("a", "b") for number in range(8)]
    for each in jobs:
        waiting.join(each)
    assert {uid for uid in waiting.to_be_told() if waiting.held(uid)} == {each.uid for each in jobs}
    told = waiting.held("b-07")
    assert told is not None
    assert told.message.startswith("Place 15 of 16 in line; 1 runs are in flight")
    for each in jobs[:6] + jobs[8:12]:
        waiting.step_aside(each.uid)
    assert "b-07" not in waiting.to_be_told()
    assert waiting.held("b-07") == told
    for each in (*jobs[6:8], jobs[12]):
        waiting.step_aside(each.uid)
    assert "b-07" in waiting.to_be_told()
    again = waiting.held("b-07")
    assert again is not None
    assert again.message.startswith("Place 3 of 3 in line")


def test_a_new_priority_moves_a_job_that_waits() -> None:
    waiting = line(limit=1)
    for each in (one("first"), one("second", created="2026-11-22T12:00:01Z")):
        waiting.join(each)
    waiting.join(one("second", priority=1, created="2026-11-22T12:00:01Z"))
    assert waiting.give_turns() == ["second"]


def test_nothing_is_kept_of_those_that_left() -> None:
    waiting = line(limit=1)
    for each in (one("a"), one("b")):
        waiting.join(each)
    waiting.give_turns()
    assert waiting.held("b")
    for uid in ("a", "b", "unknown"):
        waiting.leave(uid)
    assert not waiting.to_be_told()
    assert not waiting.give_turns()
    assert not any(
        (
            waiting._flying,
            waiting._count,
            waiting._keys,
            waiting._told,
            waiting._waiting,
            waiting._starting,
            waiting._served,
            waiting._fruitless,
        )
    )
