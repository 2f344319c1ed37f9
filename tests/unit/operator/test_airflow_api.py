"""What the operator makes of Airflow's answers, and how many requests that takes: against the fake, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.auth import YOUNG_SECONDS, Credentials
from airflow_container_job.errors import AirflowUnreachable, DagDenied
from tests.support.fake_airflow import FakeAirflow
from tests.support.fake_store import PASSWORD, USERNAME, Answer, Request

GENERIC = "container_job"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Airflow(FakeAirflow):
    """The fake, and a proxy before it."""

    def __init__(self) -> None:
        super().__init__()
        self.unrouted = ""
        """Paths that end so are answered by the proxy."""
        self.behind = timedelta()
        """How far its clock is behind."""

    def respond(self, request: Request) -> Answer:
        if self.unrouted and request.path.endswith(self.unrouted):
            return 404, {"message": "no Route matched with those values"}
        status, body = super().respond(request)
        if "queued_at" in body:
            body |= {"queued_at": (datetime.fromisoformat(body["queued_at"]) - self.behind).isoformat()}
        return status, body


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    with Airflow() as airflow:
        yield airflow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the operator's credentials are."""
    (tmp_path / "username").write_text(USERNAME)
    (tmp_path / "password").write_text(PASSWORD)
    return tmp_path


Play = Callable[[Callable[[AirflowApi], Awaitable[None]]], None]


@pytest.fixture
def play(airflow: Airflow, folder: Path) -> Play:
    """Let this happen to a client of its own."""

    def run(act: Callable[[AirflowApi], Awaitable[None]]) -> None:
        async def main() -> None:
            api = AirflowApi(airflow.url, GENERIC, folder, 5)
            try:
                await act(api)
            finally:
                await api.close()

        asyncio.run(main())

    return run


def test_a_denied_dag_costs_one_request_each_time_and_no_login(airflow: Airflow, play: Play) -> None:
    airflow.forbidden.add("theirs")

    async def act(api: AirflowApi) -> None:
        for number in range(10):
            with pytest.raises(DagDenied):
                await api.trigger("theirs", f"acj-{number}", {}, "")

    play(act)
    assert airflow.count("POST", "/dagRuns") == 10
    assert airflow.count("POST", "/auth/token") == 1


def test_a_token_that_was_signed_with_another_key_is_renewed_at_once(airflow: Airflow, play: Play) -> None:
    async def act(api: AirflowApi) -> None:
        await api.trigger(GENERIC, "acj-1", {}, "")
        airflow.change_secret()
        await api.trigger(GENERIC, "acj-2", {}, "")

    play(act)
    assert airflow.count("POST", "/auth/token") == 2


def test_what_a_token_does_not_allow_is_asked_for_with_a_new_one_once_a_minute(folder: Path) -> None:
    """What an account may do can stand in its token: a role that it was given since counts after a minute."""
    now, tokens = 0.0, iter("abc")

    async def login(_username: str, _password: str) -> str:
        return next(tokens)

    async def act() -> None:
        nonlocal now
        credentials = Credentials(folder, lambda: now)
        forbidden = b'{"detail": "Forbidden"}'
        assert await credentials.token(login) == "a"
        assert credentials.may_be_stale("a", 401, b"")
        assert not credentials.may_be_stale("a", 200, b"")
        assert not credentials.may_be_stale("a", 403, forbidden)
        now += YOUNG_SECONDS + 1
        assert credentials.may_be_stale("a", 403, forbidden)
        assert await credentials.token(login, "a") == "b"
        assert not credentials.may_be_stale("b", 403, forbidden)
        assert credentials.may_be_stale("a", 403, forbidden), "another request has got a new one meanwhile"

    asyncio.run(act())


@pytest.mark.parametrize(
    ("unrouted", "ask"),
    [
        ("/dagRuns/acj-1", lambda api: api.read(GENERIC, "acj-1")),
        ("/dagRuns/acj-1", lambda api: api.stop(GENERIC, "acj-1")),
        ("/dagRuns", lambda api: api.trigger(GENERIC, "acj-2", {}, "")),
        ("/auth/token", lambda api: api.read(GENERIC, "acj-1")),
    ],
)
def test_a_404_that_is_not_airflows_is_no_word_on_a_run(
    airflow: Airflow, play: Play, unrouted: str, ask: Callable[[AirflowApi], Awaitable[object]]
) -> None:
    airflow.create("acj-1", {})

    async def act(api: AirflowApi) -> None:
        airflow.unrouted = unrouted
        with pytest.raises(AirflowUnreachable):
            await ask(api)

    play(act)


def test_a_run_that_airflow_says_it_has_not_is_none(play: Play) -> None:
    async def act(api: AirflowApi) -> None:
        assert await api.read(GENERIC, "acj-1") is None
        assert await api.stop(GENERIC, "acj-1") is None

    play(act)


def test_ended_tasks_are_listed_of_runs_from_their_run_after_on(airflow: Airflow, play: Play) -> None:
    async def act(api: AirflowApi) -> None:
        for name in ("acj-1", "acj-2"):
            await api.trigger(GENERIC, name, {}, "")
            airflow.end_task(name, "success")
        first, second = await api.ended_tasks(GENERIC, LONG_AGO, None)
        assert (first.dag_run_id, second.dag_run_id) == ("acj-1", "acj-2")
        assert first.run_after is not None
        assert second.run_after is not None
        assert await api.ended_tasks(GENERIC, LONG_AGO, first.run_after) == [first, second]
        assert await api.ended_tasks(GENERIC, LONG_AGO, second.run_after) == [second]
        assert await api.ended_tasks(GENERIC, LONG_AGO, second.run_after + timedelta(seconds=1)) == []

    play(act)


def test_airflows_clock_is_compared_with_ours_at_each_run_it_takes(airflow: Airflow, play: Play) -> None:
    async def act(api: AirflowApi) -> None:
        airflow.behind = timedelta(days=1)
        await api.trigger(GENERIC, "acj-1", {}, "")
        assert timedelta(hours=23) < api.behind <= timedelta(days=1)
        airflow.behind = -timedelta(days=1)
        await api.trigger(GENERIC, "acj-2", {}, "")
        assert api.behind == timedelta()

    play(act)
