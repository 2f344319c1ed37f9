"""The container's log in the task's: every line, once."""

from __future__ import annotations

from tests.unit.dynamic_pod.acting import Act, play
from tests.unit.dynamic_pod.fake_cluster import FakeCluster, until


def stamped(second: int, nanosecond: int, text: str) -> str:
    return f"2026-11-22T10:00:{second:02}.{nanosecond:09}Z {text}"


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
