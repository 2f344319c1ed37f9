"""The container's log in the task's: every line, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, cast

import pytest

from dynamic_pod import logs
from dynamic_pod.api import ApiError
from dynamic_pod.logs import Copier
from tests.unit.dynamic_pod.acting import Act, play
from tests.unit.dynamic_pod.fake_cluster import Clock, FakeCluster, Recorder, until

POD = {"metadata": {"namespace": "team", "name": "hello"}}
CUT = ApiError(0, "Unreachable", "cut")


def stamped(second: int, nanosecond: int, text: str) -> str:
    return f"2026-11-22T10:00:{second:02}.{nanosecond:09}Z {text}"


class Log(Recorder):
    """Airflow's log, whose every line takes some time."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self._clock, self._seconds = clock, seconds

    def info(self, message: str, /, *args: Any) -> None:
        super().info(message, *args)
        self._clock.ahead += self._seconds


class Node:
    """Answers request after request for a log with these lines, one chunk each, an error in its place."""

    def __init__(self, *answers: Iterable[str | ApiError], clock: Clock | None = None, seconds: float = 0) -> None:
        self._answers = list(answers)
        self._clock, self._seconds = clock, seconds
        self.copier: Copier | None = None
        """Told that the container has ended once the last answer is given."""

    async def read_log(self, _namespace: str, _name: str, _query: Mapping[str, str]) -> AsyncIterator[bytes]:
        for line in self._answers[0] if len(self._answers) == 1 else self._answers.pop(0):
            if self._clock is not None:
                self._clock.ahead += self._seconds
                await asyncio.sleep(0)  # whoever waits for that time to pass has a turn
            if isinstance(line, ApiError):
                raise line
            yield line.encode() + b"\n"
        if self.copier is not None and len(self._answers) == 1:
            self.copier.container_ended()


def of_ended(node: Node, log: Recorder) -> Copier:
    """The copier of a container that will write no more."""
    return Copier.of_ended(cast(Any, node), POD, "base", log)


def test_a_broken_log_stream_loses_no_line_and_doubles_none() -> None:
    """Lines of one second, of one time stamp and out of order: standard output and error are stamped apart."""
    lines = [
        stamped(0, 5, "a"),
        stamped(1, 7, "b"),
        stamped(1, 3, "c"),
        stamped(1, 3, "d"),
        stamped(0, 9, "e"),
        stamped(1, 3, "f"),
        stamped(2, 1, "g"),
        stamped(2, 1, "g"),
        stamped(3, 0, "h"),
    ]

    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.logs[name] = lines
        fake.cut_log_after = [1, 2, 3, 4, 2]
        fake.start(name)
        await until(lambda: "h" in act.log.lines)
        fake.end(name)
        await act.end()
        assert act.log.lines[1:] == ["a", "b", "c", "d", "e", "f", "g", "g", "h"]
        assert fake.count("LOG") >= 4

    play(scene)


def test_an_endless_line_comes_in_pieces() -> None:
    text = "x" * 300_000 + "end"

    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.logs[name] = [stamped(0, 1, text), stamped(0, 2, "next")]
        fake.end(name)
        await act.end()
        assert "".join(act.log.lines[1:-1]) == text
        assert max(map(len, act.log.lines)) <= 64 * 1024
        assert act.log.lines[-1] == "next"

    play(scene)


def test_a_log_that_cannot_be_read_does_not_keep_the_task() -> None:
    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.refuse("LOG", (400, "BadRequest", "container is not available"))
        fake.end(name)
        assert (await act.end()).succeeded
        assert "not available" in act.log.warnings[0]

    play(scene)


def test_the_kubelets_own_words_are_no_line() -> None:
    """They come in place of the log when the container is gone already."""

    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.logs[name] = [stamped(0, 1, "a"), "unable to retrieve container logs for containerd://f00"]
        fake.start(name)
        await until(lambda: "a" in act.log.lines)
        fake.end(name)
        assert (await act.end()).succeeded
        assert act.log.lines[1:] == ["a"]

    play(scene)


@pytest.mark.parametrize("hours", [-5, 0, 2])
def test_a_node_far_from_utc_loses_no_line_and_doubles_none(hours: int) -> None:
    """The container runtime writes its node's time, with the offset; it may change while the container runs."""
    start = datetime(2026, 11, 22, 10, tzinfo=UTC)
    zones = [timezone(timedelta(hours=hours)), timezone(timedelta(hours=hours + 1))]
    written = [(start + timedelta(seconds=n)).astimezone(zones[n >= 7]) for n in range(10)]

    async def scene(fake: FakeCluster, act: Act) -> None:
        name = await fake.pod()
        fake.logs[name] = [f"{when.isoformat(timespec='microseconds')} {n}" for n, when in enumerate(written)]
        fake.cut_log_after = [5, 7]
        fake.start(name)
        await until(lambda: "9" in act.log.lines)
        fake.end(name)
        await act.end()
        assert act.log.lines[1:] == [str(n) for n in range(10)]

    play(scene)


def test_what_comes_after_a_rotation_is_not_taken_for_what_is_copied() -> None:
    """The kubelet serves the newest file only: after a rotation it lacks the lines before."""
    old = [stamped(1, n * 1000, f"old {n}") for n in range(20)]
    new = [stamped(1, 20_000, "in the same second"), *(stamped(2, n, f"new {n}") for n in range(10))]

    async def run() -> None:
        node, log = Node([*old, CUT], new), Recorder()
        copier = Copier(cast(Any, node), POD, "base", log)
        node.copier = copier
        await copier.copy()
        assert log.lines == [line.partition(" ")[2] for line in [*old, *new]]

    asyncio.run(run())


def test_a_chatty_container_lets_the_others_have_their_turn() -> None:
    """All pods of a triggerer share its event loop, and each line of a log may wait for Airflow."""

    async def run() -> None:
        clock = Clock()
        log = Log(clock, seconds=0.001)
        copied_at_turns = [0]

        async def other() -> None:
            while True:
                copied_at_turns.append(len(log.lines))
                await asyncio.sleep(0)

        chunk = "\n".join(stamped(0, n, "x") for n in range(1000))
        others_turns = asyncio.create_task(other())
        await of_ended(Node([chunk]), log).copy()
        others_turns.cancel()
        assert len(log.lines) == 1000
        between = [later - earlier for earlier, later in pairwise(copied_at_turns)]
        assert max(between) <= logs.TURN_SECONDS / 0.001 + 1

    asyncio.run(run())


def test_the_end_of_a_log_may_take_its_time_while_lines_come() -> None:
    async def run() -> None:
        lines = [stamped(n, 0, str(n)) for n in range(20)]
        log = Recorder()
        node = Node(lines, clock=Clock(), seconds=logs.LAST_LINES_SECONDS / 3)
        await of_ended(node, log).copy()
        assert log.lines == [str(n) for n in range(20)]
        assert not log.warnings

    asyncio.run(run())


@pytest.mark.parametrize("lines", [[], [stamped(1, 0, "a"), stamped(2, 0, "b")]])
def test_a_node_that_says_nothing_new_does_not_keep_the_task(lines: list[str]) -> None:
    async def run() -> None:
        log = Recorder()
        node = Node([*lines, CUT], clock=Clock(), seconds=logs.LAST_LINES_SECONDS / 3)
        await asyncio.wait_for(of_ended(node, log).copy(), 10 * logs.LAST_LINES_SECONDS)
        assert len(log.lines) == len(lines)
        assert "may lack its end" in log.warnings[0]

    asyncio.run(run())


def test_what_is_remembered_of_a_log_does_not_grow_with_it() -> None:
    """One line a second for an hour."""
    start = datetime(2026, 11, 22, tzinfo=UTC)
    lines = [f"{(start + timedelta(seconds=n)).isoformat()} x" for n in range(3600)]

    async def run() -> None:
        copier = of_ended(Node(lines), Recorder())
        await copier.copy()
        assert len(copier._copied) < 10

    asyncio.run(run())
