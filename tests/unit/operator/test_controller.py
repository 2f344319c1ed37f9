"""How the controller begins and ends: in virtual time, with an API server that is busy."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_container_job.controller import FINISH_SECONDS, LISTED_SECONDS, RECOUNT_SECONDS
from airflow_container_job.errors import ClusterError
from airflow_container_job.gate import Gate
from tests.unit.operator.builders import body_of, job
from tests.unit.operator.test_health import controller
from tests.unit.operator.virtual import VirtualLoop


@pytest.mark.parametrize(("answers_after", "ends_after"), [(1.5, 1.0), (3600.0, FINISH_SECONDS)])
def test_what_is_under_way_when_the_process_is_to_end_may_come_to_its_end_within_a_bound(
    answers_after: float, ends_after: float
) -> None:
    """Else a run that Airflow has just been asked for may be unknown to its resource."""
    asked = []

    async def answer(one: Any, *_: object) -> dict[str, Any]:
        asked.append(one)
        await asyncio.sleep(answers_after)
        return body_of(job())

    async def main() -> float:
        made = controller(SimpleNamespace(gate=Gate()), SimpleNamespace(patch_metadata=answer))
        undecided = body_of(job())
        undecided["metadata"] |= {"annotations": {}, "finalizers": [], "resourceVersion": "99"}
        made.memory.job_seen(undecided)
        work = asyncio.create_task(made.run())
        await asyncio.sleep(0.5)
        began = asyncio.get_running_loop().time()
        await made.finish()
        work.cancel()
        return asyncio.get_running_loop().time() - began

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == ends_after
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answers", "opens_after"),
    [
        ([1], RECOUNT_SECONDS),
        ([ClusterError("it is away"), 1], 2 * RECOUNT_SECONDS),
        ([2] * 1000, LISTED_SECONDS),
    ],
    ids=["one is gone", "nobody says so at first", "one is never listed"],
)
def test_the_line_opens_though_a_resource_that_was_counted_never_becomes_known(
    answers: list[Any], opens_after: float
) -> None:
    """It was deleted before it was listed, or let go while others still were."""
    left = iter(answers)

    async def count() -> int:
        answer = next(left)
        if isinstance(answer, ClusterError):
            raise answer
        return int(answer)

    async def main() -> float:
        made = controller(SimpleNamespace(gate=Gate()), SimpleNamespace())
        made.memory.job_seen(body_of(job()))
        waiting = asyncio.create_task(made.watch_line(2, count))
        while not made._line.opened:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.1)
        waiting.cancel()
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == pytest.approx(opens_after, abs=0.2)
