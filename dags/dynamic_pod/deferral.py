"""Whether Airflow still has a task deferred: asked before a task's pods are deleted because its trigger was cancelled.

Airflow cancels a trigger by the same word when somebody ended the task and when another triggerer, since ours was late
to give a sign of life, has the task now. Only its state tells the two apart. An answer takes Airflow 10 ms, and many
tasks may be ended at once, in less time than all would take one by one: so one question asks about many runs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

if TYPE_CHECKING:
    from dynamic_pod.manifest import Identity

DEFERRED: Final = "deferred"

COLLECT_SECONDS: Final = 0.1
"""How long a question waits for others to join it."""

RUNS_AT_ONCE: Final = 100
"""They are named in the address of a request, which has its limits."""

_Task = tuple[asyncio.AbstractEventLoop, str, str, int]


async def may_go_on(identity: Identity, log: Any) -> bool:
    """Whether a triggerer may still run the task: this try of it, or, where somebody cleared it, the next one already.

    True also where Airflow does not answer: a pod left behind wastes its time, one taken away from the triggerer that
    follows it makes its container run twice.
    """
    task = (asyncio.get_running_loop(), identity.dag_id, identity.task_id, identity.map_index)
    try:
        states = await _states(task, identity.run_id)
    except Exception:
        log.warning("The pods stay, since Airflow does not say whether the task was stopped", exc_info=True)
        return True
    key = identity.task_id if identity.map_index < 0 else f"{identity.task_id}_{identity.map_index}"
    return bool(states.get(identity.run_id, {}).get(key) == DEFERRED)


class _Question:
    """One question about a task in some runs."""

    def __init__(self, task: _Task) -> None:
        self._task = task
        self.runs: list[str] = []
        self.answer = asyncio.create_task(self._ask())

    async def _ask(self) -> dict[str, Any]:
        await asyncio.sleep(COLLECT_SECONDS)
        if _open.get(self._task) is self:
            del _open[self._task]
        _, dag_id, task_id, map_index = self._task
        # Waits for Airflow, so it runs in a thread.
        return await asyncio.to_thread(
            RuntimeTaskInstance.get_task_states,
            dag_id=dag_id,
            run_ids=self.runs,
            task_ids=[task_id],
            map_index=map_index,
        )


_open: dict[_Task, _Question] = {}
"""The questions that others may join."""


async def _states(task: _Task, run_id: str) -> dict[str, Any]:
    """The states of the task by run, this run among them."""
    question = _open.get(task)
    if question is None:
        question = _open[task] = _Question(task)
    question.runs.append(run_id)
    if len(question.runs) >= RUNS_AT_ONCE:
        del _open[task]
    return await asyncio.shield(question.answer)
