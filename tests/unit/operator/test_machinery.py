"""The work queue, the slots, the gate and the settings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from airflow_container_job.errors import AirflowError, AirflowUnreachable, DagDenied, RunRefused
from airflow_container_job.gate import Gate
from airflow_container_job.settings import Settings
from airflow_container_job.slots import Slots
from airflow_container_job.workqueue import WorkQueue


def test_a_key_waits_once_and_comes_back_when_it_was_added_during_its_look() -> None:
    async def scenario() -> list[str]:
        queue, seen = WorkQueue(), []
        queue.add("a")
        queue.add("a")
        queue.add("b")
        for _ in range(3):
            key = await asyncio.wait_for(queue.get(), 1)
            seen.append(key)
            if len(seen) == 1:
                queue.add("a")
            queue.done(key)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 0.01)
        return seen

    assert asyncio.run(scenario()) == ["a", "b", "a"]


def test_a_key_is_with_one_worker_at_a_time() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        queue.add("a")
        await queue.get()
        queue.add("a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 0.01)
        queue.done("a")
        assert await asyncio.wait_for(queue.get(), 1) == "a"

    asyncio.run(scenario())


def test_of_several_later_looks_the_earliest_counts() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        queue.add_after("a", 60)
        queue.add_after("a", 0.01)
        queue.add_after("a", 60)
        assert await asyncio.wait_for(queue.get(), 1) == "a"

    asyncio.run(scenario())


def test_the_lowest_rank_comes_first_and_then_the_oldest() -> None:
    async def scenario() -> list[str]:
        queue = WorkQueue()
        for key, rank in (("low", 5), ("first", 0), ("second", 0), ("high", -5)):
            queue.add(key, rank)
        return [await asyncio.wait_for(queue.get(), 1) for _ in range(4)]

    assert asyncio.run(scenario()) == ["high", "first", "second", "low"]


def test_a_key_that_is_asked_for_at_a_lower_rank_comes_sooner_and_once() -> None:
    async def scenario() -> list[str]:
        queue = WorkQueue()
        for key in ("a", "b", "urgent"):
            queue.add(key)
        queue.add("urgent", -1)
        queue.add("a", 5)
        taken = [await queue.get() for _ in range(3)]
        queue.add("urgent", -1)  # while it is worked on: only `done` brings it back, whatever was left of it
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 0.05)
        queue.done("urgent")
        return [*taken, await queue.get()]

    assert asyncio.run(scenario()) == ["urgent", "a", "b", "urgent"]


def test_lanes_are_served_in_turn_and_each_by_rank_once_the_one_without_a_name_is_empty() -> None:
    async def scenario() -> list[str]:
        queue = WorkQueue()
        for key, rank, lane in (
            ("a-low", 5, "a"),
            ("a-high", -5, "a"),
            ("b-low", 9, "b"),
            ("a-middle", 0, "a"),
            ("b-lower", 10, "b"),
            ("late", 1, ""),
            ("moved", 7, "a"),
            ("moved", 0, ""),
        ):
            queue.add(key, rank, lane)
        return [await asyncio.wait_for(queue.get(), 1) for _ in range(7)]

    assert asyncio.run(scenario()) == ["moved", "late", "a-high", "b-low", "a-middle", "b-lower", "a-low"]


def test_a_slot_that_is_given_back_is_the_next_ones_in_order() -> None:
    slots = Slots(2)
    assert [slots.take(key) for key in ("a", "b", "c", "d", "a", "c")] == [True, True, False, False, True, False]
    assert slots.give_back("d") is None  # it had none
    assert slots.give_back("a") == "c"
    assert slots.take("c")
    assert slots.give_back("c") == "d"
    assert slots.give_back("d") is None  # nobody waits any more
    assert slots.take("a")
    assert not slots.take("c")


def test_a_closed_queue_gives_nothing_away_and_waits_for_what_it_gave() -> None:
    async def scenario() -> None:
        queue = WorkQueue()
        queue.add("a")
        queue.add("b")
        assert await queue.get() == "a"
        closing = asyncio.create_task(queue.close())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 0.01)
        assert not closing.done()
        queue.done("a")
        await asyncio.wait_for(closing, 1)

    asyncio.run(scenario())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_while_airflow_is_away_one_request_per_pause_is_tried() -> None:
    clock, calls = Clock(), 0

    async def refused() -> None:
        nonlocal calls
        calls += 1
        raise AirflowUnreachable("refused")

    async def scenario() -> None:
        gate = Gate(clock)
        for _ in range(100):
            with pytest.raises(AirflowUnreachable, match="refused"):
                await gate.through(refused)
        assert calls == 1
        clock.now += gate.pause
        with pytest.raises(AirflowUnreachable):
            await gate.through(refused)
        assert calls == 2
        assert gate.pause > 0

    asyncio.run(scenario())


def test_the_pause_grows_to_a_limit() -> None:
    clock, gate_pauses = Clock(), []

    async def refused() -> None:
        raise AirflowUnreachable("refused")

    async def scenario() -> None:
        gate = Gate(clock)
        for _ in range(12):
            with pytest.raises(AirflowUnreachable):
                await gate.through(refused)
            gate_pauses.append(gate.pause)
            clock.now += gate.pause
        assert gate_pauses[0] <= 2 < gate_pauses[4]
        assert Gate.LONGEST / 2 <= gate_pauses[-1] <= Gate.LONGEST

    asyncio.run(scenario())


def test_requests_that_fail_together_count_once() -> None:
    clock = Clock()

    async def refused() -> None:
        await asyncio.sleep(0)
        raise AirflowUnreachable("refused")

    async def scenario() -> float:
        gate = Gate(clock)
        await asyncio.gather(*(gate.through(refused) for _ in range(8)), return_exceptions=True)
        return gate.pause

    assert asyncio.run(scenario()) <= 2 * Gate.FIRST


@pytest.mark.parametrize(("error", "served"), [(RunRefused("bad conf"), True), (DagDenied("not yours"), False)])
def test_any_answer_of_airflow_opens_the_gate(error: AirflowError, served: bool) -> None:
    """That one DAG is denied does not tell whether the account is let in at all."""
    clock = Clock()

    async def away() -> None:
        raise AirflowUnreachable("refused")

    async def no() -> None:
        raise error

    async def scenario() -> None:
        gate = Gate(clock)
        with pytest.raises(AirflowUnreachable):
            await gate.through(away)
        clock.now += gate.pause
        with pytest.raises(type(error)):
            await gate.through(no)
        assert gate.pause == 0
        assert gate.served == served

    asyncio.run(scenario())


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACJ_AIRFLOW_URL", "http://airflow:8080/")
    monkeypatch.setenv("ACJ_AIRFLOW_CREDENTIALS", "/secrets")
    monkeypatch.setenv("ACJ_NAMESPACES", "a, b")
    settings = Settings()  # type: ignore[call-arg]
    assert settings.airflow_base == settings.ui_base == "http://airflow:8080"
    assert settings.airflow_credentials == Path("/secrets")
    assert settings.namespaces == {"a", "b"}


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACJ_AIRFLOW_URL", "airflow")
    monkeypatch.setenv("ACJ_AIRFLOW_CREDENTIALS", "/secrets")
    with pytest.raises(ValidationError, match="airflow_url"):
        Settings()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("text", "address"),
    [("0.0.0.0:8080", ("0.0.0.0", 8080)), ("localhost:80", ("localhost", 80)), ("[::]:9000", ("::", 9000))],  # noqa: S104
)
def test_the_address_to_listen_at(monkeypatch: pytest.MonkeyPatch, text: str, address: tuple[str, int]) -> None:
    monkeypatch.setenv("ACJ_AIRFLOW_URL", "http://airflow:8080/")
    monkeypatch.setenv("ACJ_AIRFLOW_CREDENTIALS", "/secrets")
    monkeypatch.setenv("ACJ_LISTEN", text)
    assert Settings().listen_address == address  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "text", ["", ":8080", "8080", "localhost", "::1:8080", "http://0.0.0.0:8080", "host:port", "a:65536"]
)
def test_an_address_without_host_or_port_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ACJ_AIRFLOW_URL", "http://airflow:8080/")
    monkeypatch.setenv("ACJ_AIRFLOW_CREDENTIALS", "/secrets")
    monkeypatch.setenv("ACJ_LISTEN", text)
    with pytest.raises(ValidationError, match="listen"):
        Settings()  # type: ignore[call-arg]


def test_operator_is_a_source_root_and_not_a_package() -> None:
    root = Path(__file__).parents[3]
    assert (root / "operator" / "airflow_container_job").is_dir()
    assert not (root / "operator" / "__init__.py").exists(), "it would shadow Python's own module operator"
