"""The trigger that is the whole task: it creates the pod, follows it and ends the task, all in the triggerer.

Started by Airflow's scheduler (start_from_trigger), so that no worker takes part, or by the operator's `execute` when a
value needs a worker first. A triggerer that is restarted runs it anew with the same arguments; the runner then finds
the pod.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from typing import Any, Final, cast

from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from dynamic_pod import cluster, contract, deferral, manifest, templates
from dynamic_pod.api import Backoff
from dynamic_pod.connection import WrongConnection
from dynamic_pod.end import End, without_pod
from dynamic_pod.runner import Runner

FOR_TASKS: Final = (contract.XCOM_RESULT, contract.XCOM_POD_NAME, contract.XCOM_POD_NAMESPACE)
"""XComs that other tasks of a DAG read."""

DELETE_SECONDS: Final = 20
"""How long the last pod's deletion may take; Airflow allows `on_kill` 30 s."""

CONNECTION_SECONDS: Final = 60
"""How long an Airflow connection is looked up again and again.

Of one that it could not look up, Airflow says the same as of one that there is not.
"""


class DynamicPodTrigger(BaseTrigger):
    """Runs the pod of a task that the DAG's defaults and the DagRun's conf describe.

    `conf` is the DagRun's conf as JSON text, `defaults` the values given in the DAG. Where the scheduler starts the
    trigger, both come as templates and are rendered before `run`; what `conf` says is never rendered itself.
    `rendered` says that a worker made the trigger, of values that are what they are. `retried` says that the task has
    `retries`, which Airflow honours unless a worker tells it not to.
    """

    def __init__(
        self,
        conf: str,
        defaults: dict[str, Any],
        kubernetes_conn_id: str,
        rendered: bool = False,
        retried: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conf = conf
        self.defaults = defaults
        self.kubernetes_conn_id = kubernetes_conn_id
        self.rendered = rendered
        self.retried = retried
        self._unrendered: Exception | None = None
        self._runner: Runner | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Airflow's way to make it anew."""
        names = ("conf", "defaults", "kubernetes_conn_id", "rendered", "retried")
        return "dynamic_pod.trigger.DynamicPodTrigger", {name: getattr(self, name) for name in names}

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render what the scheduler started; of a trigger that a worker made, all would be rendered a second time.

        Airflow decides by the newest version of the DAG, which may be another one than the worker had. An error is kept
        for `run`, where it ends the task; here it would make Airflow start a worker for that.
        """
        if self.rendered:
            return
        self.conf = json.dumps(context["dag_run"].conf)  # what its template says, for a hundredth of the time
        try:
            if templates.found_in(self.defaults, self.kubernetes_conn_id):
                env = jinja_env or templates.as_of_a_dag(self.get_template_env())
                self.defaults = self.render_template(self.defaults, context, env)
                self.kubernetes_conn_id = self.render_template(self.kubernetes_conn_id, context, env)
        except Exception as error:  # noqa: BLE001 (authors write templates)
            self._unrendered = error

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Run the pod, end the task, and delete the pod once Airflow has recorded the end."""
        try:
            self._check_rendered()
            await self._forget_earlier_tries()
            async with contextlib.AsyncExitStack() as door:
                entered = await self._enter(door)
                yield await self._event(await self._run(entered))
                await _recorded()
                await _undisturbed(self._leave(door.pop_all()))
        except asyncio.CancelledError:
            if self._timed_out():
                await self.on_kill()
            raise
        except Exception as error:  # uncaught, it would make Airflow start a worker only to fail the task
            self.log.exception("The task could not be run")
            yield self._ended(without_pod(f"{type(error).__name__}: {error}", reason="Error"))
            await _recorded()
            await self.on_kill()

    def _check_rendered(self) -> None:
        if self._unrendered is not None:
            raise self._unrendered

    async def _forget_earlier_tries(self) -> None:
        """Delete what an earlier try left: Airflow does so when a worker starts a task, but not when a trigger does."""
        if self._identity.try_number <= 1:
            return
        try:
            await asyncio.to_thread(_delete_xcoms, self._identity)
        except Exception:
            self.log.warning("The results of an earlier try could not be deleted", exc_info=True)

    async def _enter(self, door: contextlib.AsyncExitStack) -> cluster.Cluster:
        """Enter the cluster; waits a while for what a wait can mend, since a pod may run there already."""
        backoff, clock = Backoff(), asyncio.get_running_loop().time
        until, told = clock() + CONNECTION_SECONDS, False
        while True:
            try:
                return await door.enter_async_context(cluster.enter(self.kubernetes_conn_id))
            except WrongConnection:
                raise
            except Exception as error:
                if clock() > until:
                    raise
                if not told:
                    self.log.warning("Waiting for the connection %s: %r", self.kubernetes_conn_id, error)
                told = True
            await asyncio.sleep(backoff.seconds())

    async def _run(self, entered: cluster.Cluster) -> End:
        try:
            self._runner = self._make_runner(entered)
        except manifest.InvalidConf as error:
            return without_pod(str(error))
        if sentence := manifest.unknown(json.loads(self.conf), self._identity.dag_id):
            self.log.warning("%s", sentence)
        return await self._runner.run()

    async def _leave(self, door: contextlib.AsyncExitStack) -> None:
        async with door:
            if self._runner is not None:
                await self._in_time(self._runner.clean_up())

    async def on_kill(self) -> None:
        """Somebody ended the task: its pods end too, each with its own grace period.

        Airflow calls it, contrary to what it says, also when another triggerer has taken the task over; then they stay.
        """
        await _undisturbed(self._in_time(self._kill()))

    async def _kill(self) -> None:
        if self._unrendered or await deferral.may_go_on(self._identity, self.log):
            return
        async with contextlib.AsyncExitStack() as door:
            entered = await self._enter(door)
            with contextlib.suppress(manifest.InvalidConf):  # no pod was ever made
                await self._make_runner(entered).kill()

    def _make_runner(self, entered: cluster.Cluster) -> Runner:
        values = manifest.merge(self.defaults, json.loads(self.conf))
        return Runner(entered, self._identity, values, self.log)

    @property
    def _identity(self) -> manifest.Identity:
        return manifest.Identity.of(cast(manifest.TaskInstance, self.task_instance))

    async def _in_time(self, deletion: Coroutine[Any, Any, None]) -> None:
        try:
            await asyncio.wait_for(deletion, DELETE_SECONDS)
        except Exception as error:  # noqa: BLE001 (whatever it is, the task has ended)
            self.log.warning("The pod could not be deleted: %s", str(error) or "the API server did not answer in time")

    async def _event(self, end: End) -> TriggerEvent:
        identity = self._identity
        if identity.dag_id == contract.DAG_ID or (end.final and self.retried):
            return self._ended(end)
        # The XComs of an event are encoded twice (Airflow 3.3): REST does not mind, but a task would get text.
        xcoms = end.xcoms()
        for key in FOR_TASKS:
            if key in xcoms:
                await XCom.aset(key, xcoms.pop(key), **identity.in_airflow())
        return self._ended(end, xcoms)

    def _ended(self, end: End, xcoms: dict[str, Any] | None = None) -> TriggerEvent:
        xcoms = end.xcoms() if xcoms is None else xcoms
        if end.succeeded:
            self.log.info("%s", end.message)
            return TaskSuccessEvent(xcoms=xcoms)
        self.log.error("%s", end.message)
        if end.final and self.retried:
            return TriggerEvent({"message": end.message, "xcoms": xcoms})  # type: ignore[no-untyped-call]
        return TaskFailedEvent(xcoms=xcoms)

    def _timed_out(self) -> bool:
        """Whether `execution_timeout` is over: then Airflow cancels us without calling `on_kill`."""
        until: datetime | None = getattr(self, "timeout_after", None)
        if until is None:
            return False
        return (until if until.tzinfo else until.replace(tzinfo=UTC)) < datetime.now(UTC)


def _delete_xcoms(identity: manifest.Identity) -> None:
    """Delete what we leave in XComs. Waits for Airflow, so it runs in a thread."""
    for key in (*FOR_TASKS, contract.XCOM_OUTCOME):
        XCom.delete(key, **identity.in_airflow())


async def _recorded() -> None:
    """Wait until Airflow has recorded the event: it then removes the trigger, by a cancellation that says why.

    Only now may the pod go. Had it gone before, a triggerer killed in between would find none and run the container
    again. A cancellation without a word is the end of the triggerer, which may come before anything is recorded.
    """
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if not cancelled.args or task is None:
            raise
        task.uncancel()


async def _undisturbed(work: Coroutine[Any, Any, None]) -> None:
    """Do this work to its end: Airflow 3.3 repeats a cancellation every second until the trigger is over.

    The end of the triggerer cancels the work itself.
    """
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    if not task.cancelled():
        task.result()
