"""How the controller ends: in virtual time, with an API server that takes its time to answer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_container_job.controller import FINISH_SECONDS
from airflow_container_job.gate import Gate
from tests.unit.operator.builders import body_of, job
from tests.unit.operator.test_health import controller
from tests.unit.operator.test_observer import VirtualLoop


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
