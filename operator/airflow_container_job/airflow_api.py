"""The one module that talks to Airflow, and the only importer of its client.

Called by the controller and the observer. The client words the requests, `airflow_http` sends them. Answers are read as
plain JSON rather than through the client's models: a state that a newer Airflow invents must not raise here. No request
is repeated in this module but once, with a new token, where its token may be what is refused; whoever calls decides
about trying again, and the gate keeps all of them quiet together while Airflow is away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, cast

from airflow_client.client import ApiClient, Configuration
from airflow_client.client.api.dag_api import DAGApi
from airflow_client.client.api.dag_run_api import DagRunApi
from airflow_client.client.api.monitor_api import MonitorApi
from airflow_client.client.api.task_instance_api import TaskInstanceApi
from airflow_client.client.api.x_com_api import XComApi
from airflow_client.client.models.dag_run_mutable_states import DagRunMutableStates
from airflow_client.client.models.dag_run_patch_body import DAGRunPatchBody
from airflow_client.client.models.trigger_dag_run_post_body import TriggerDAGRunPostBody

from airflow_container_job import health, reasons
from airflow_container_job.airflow_http import Answer, Connections, Request, Scribe, judge, words
from airflow_container_job.auth import Credentials
from airflow_container_job.decision import parse_time
from airflow_container_job.errors import (
    AirflowUnreachable,
    DagBroken,
    DagDenied,
    DagUnavailable,
    RunExists,
    RunRefused,
)
from airflow_container_job.facts import ENDED, DagRun, Trouble
from airflow_container_job.gate import Gate
from dynamic_pod import contract

RUN_PREFIX: Final = "acj-"
"""How the ids of our DagRuns begin."""

PAGE: Final = 100
"""Airflow's own limit for a page (`[api] maximum_page_limit`)."""

PARALLEL: Final = 8
"""Requests to Airflow at once; of these one that writes (see `AirflowApi`)."""

LIVE: Final = ["queued", "running"]
"""States of a DagRun that is not over."""

Body = dict[str, Any]

_PARTS: Final = {"scheduler": reasons.SCHEDULER_UNHEALTHY, "triggerer": reasons.TRIGGERER_UNHEALTHY}
"""Part of Airflow, as its health report calls it -> reason of the status while it is down."""


class AirflowApi:
    """Airflow's REST API as far as the operator uses it.

    Requests that write are sent one after the other. Airflow's API server inserts its audit record on its event loop,
    while another request may hold the database's lock and need that loop to let go of it: on SQLite two writes at once
    stand still for 5 s, and thirty for minutes (docs/decisions/0007). One process of it writes no faster in parallel.
    """

    def __init__(self, base: str, dag_id: str, credentials: Path, timeout_seconds: float) -> None:
        """`dag_id`: the generic DAG, whose runs are over with their only task."""
        self._base = base
        self._dag_id = dag_id
        self._credentials = Credentials(credentials)
        configuration = Configuration(host=base)
        self._connections = Connections(PARALLEL, timeout_seconds, configuration.proxy)
        self._client = ApiClient(configuration)
        self._client.rest_client = cast("Any", Scribe())
        self._runs = DagRunApi(self._client)
        self._dags = DAGApi(self._client)
        self._monitor = MonitorApi(self._client)
        self._tasks = TaskInstanceApi(self._client)
        self._xcoms = XComApi(self._client)
        self._write = asyncio.Lock()
        self.gate = Gate()
        self.behind = timedelta()
        """How far Airflow's clock is behind ours, at least, as of the last run that it took."""

    async def trigger(self, dag_id: str, dag_run_id: str, conf: Mapping[str, Any], note: str) -> DagRun:
        """Create the DagRun.

        Raises RunExists, RunRefused, DagUnavailable or a kind of it, AirflowDenied, AirflowUnreachable, and Answer
        where Airflow fails at this request alone.
        """
        body = TriggerDAGRunPostBody(dag_run_id=dag_run_id, conf=dict(conf), note=note, logical_date=None)
        try:
            async with self._writing():
                asked_at = datetime.now(UTC)
                answer = await self._call_for_dag(dag_id, self._runs.trigger_dag_run_without_preload_content, body)
        except Answer as error:
            if error.status == 409:
                raise RunExists(error.detail) from error
            if error.status == 404:
                raise DagUnavailable(error.detail) from error
            if error.status in (400, 422):
                await self._blame_the_dag(dag_id)
                raise RunRefused(error.detail) from error
            raise
        if (queued_at := parse_time(answer.get("queued_at"))) is not None:  # by Airflow's clock, and later than ours
            self.behind = max(timedelta(), asked_at - queued_at)
        return DagRun.read(answer)

    async def _blame_the_dag(self, dag_id: str) -> None:
        """Airflow answers 400 for a conf it refuses and for a DAG that cannot run: tell them apart."""
        dag = await self._call_for_dag(dag_id, self._dags.get_dag_without_preload_content)
        if dag.get("has_import_errors"):
            raise DagUnavailable(f"DAG {dag_id!r} has import errors; see Airflow's home page")
        if (allowed := dag.get("allowed_run_types")) is not None and "manual" not in allowed:
            raise DagUnavailable(f"DAG {dag_id!r} does not allow manual runs; add 'manual' to its allowed_run_types")

    async def dag_trouble(self, dag_id: str) -> Trouble | None:
        """Why no run of this DAG is started, as far as the DAG is to blame."""
        try:
            dag = await self._call_for_dag(dag_id, self._dags.get_dag_without_preload_content)
        except (DagBroken, DagDenied) as error:
            return Trouble(error.reason, str(error))
        except Answer as error:
            if error.status != 404:
                raise
            dag = {"is_stale": True}
        if dag.get("is_stale"):
            return Trouble(reasons.DAG_MISSING, f"Airflow has no DAG {dag_id!r} any more; put its file back.")
        if dag.get("is_paused"):
            return Trouble(
                reasons.DAG_PAUSED, f"DAG {dag_id!r} is paused in Airflow; un-pause it to let the run go on."
            )
        return None

    async def health_trouble(self) -> Trouble | None:
        """Why no run of any DAG is started: a part of Airflow that does not report."""
        health = await self._call(self._monitor.get_health_without_preload_content)
        for part, reason in _PARTS.items():
            if (health.get(part) or {}).get("status") == "unhealthy":
                return Trouble(reason, f"Airflow's {part} has not reported for a while; look at its process.")
        return None

    async def read(self, dag_id: str, dag_run_id: str) -> DagRun | None:
        """Read one DagRun, as it will be if its only task has ended; None when Airflow has none of that id.

        Raises DagDenied where the account may not see the DAG: nothing is known then.
        """
        try:
            of_run = self._runs.get_dag_run_without_preload_content
            run = DagRun.read(await self._call_for_dag(dag_id, of_run, dag_run_id))
            if run.state != "running" or dag_id != self._dag_id:
                return run
            of_task = self._tasks.get_task_instance_without_preload_content
            task = await self._call_for_dag(dag_id, of_task, dag_run_id, contract.TASK_ID)
        except Answer as error:
            if error.status == 404:
                return None
            raise
        return DagRun.of_task(task, run.owner_uid) if task["state"] in ENDED else run

    async def live_runs(self) -> list[DagRun]:
        """All our DagRuns that are not over, whatever their DAG."""
        return [DagRun.read(body) async for body in self._list_runs(state=LIVE)]

    async def count_live_runs(self) -> int:
        """How many DagRuns of ours are not over, whatever their DAG."""
        page = await self._call(self._one_live_run)
        return int(page["total_entries"])

    def _one_live_run(self) -> Request:
        method = self._runs.get_dag_runs_without_preload_content
        request: Request = cast("Any", method)("~", run_id_prefix_pattern=RUN_PREFIX, state=LIVE, limit=1)
        return request

    async def changed_runs(self, since: datetime) -> list[DagRun]:
        """All our DagRuns that are over and have ended, or were marked otherwise, at or after this time."""
        return [DagRun.read(body) async for body in self._list_runs(state=[*ENDED], updated_at_gte=since)]

    async def started_runs(self, dag_id: str, since: datetime) -> list[DagRun]:
        """Our DagRuns of this DAG that began at or after this time and are not over."""
        found = self._list_runs(state=["running"], start_date_gte=since, dag_id_prefix_pattern=dag_id)
        return [DagRun.read(body) async for body in found if body["dag_id"] == dag_id]

    async def ended_tasks(self, dag_id: str, since: datetime, run_after: datetime | None) -> list[DagRun]:
        """Our DagRuns of this DAG whose only task ended at or after this time; the runs may still be under way.

        The scheduler ends a run when its turn comes, which with a thousand under way takes it seconds; the task's end
        is recorded at once. `run_after`: of no run before this time (None: of any). Airflow's database has an index of
        that, and none of ends: without, it reads all tasks there ever were.
        """
        method = self._tasks.get_task_instances_without_preload_content
        filters = {"dag_id_prefix_pattern": dag_id, "task_id": contract.TASK_ID, "run_after_gte": run_after}
        # Of all DAGs: asked for one of them, Airflow would read that from the database first, each time.
        found = self._list(method, "task_instances", "~", "~", **filters, state=[*ENDED], end_date_gte=since)
        return [DagRun.of_task(body) async for body in found if body["dag_id"] == dag_id]

    def _list_runs(self, **filters: Any) -> AsyncIterator[Body]:
        return self._list(self._runs.get_dag_runs_without_preload_content, "dag_runs", "~", **filters)

    async def _list(self, method: Callable[..., Any], what: str, *where: str, **filters: Any) -> AsyncIterator[Body]:
        """Read a list of what belongs to our runs, page by page; one page is in memory at a time."""
        cursor = ""
        while True:
            page = await self._call(
                method,
                *where,
                run_id_prefix_pattern=RUN_PREFIX,
                order_by=["id"],
                limit=PAGE,
                cursor=cursor,
                **filters,
            )
            for body in page[what]:
                yield body
            cursor = page.get("next_cursor") or ""
            if not cursor:
                return

    async def stop(self, dag_id: str, dag_run_id: str) -> DagRun | None:
        """Mark the DagRun failed, Airflow's way of stopping one; None when Airflow has none of that id."""
        body = DAGRunPatchBody(state=DagRunMutableStates.FAILED, note="Stopped by airflow-container-job.")
        try:
            async with self._writing():
                method = self._runs.patch_dag_run_without_preload_content
                answer = await self._call_for_dag(dag_id, method, dag_run_id, body)
        except Answer as error:
            if error.status == 404:
                return None
            raise
        return DagRun.read(answer)

    async def xcom(self, dag_id: str, dag_run_id: str, task_id: str, key: str) -> Any:
        """Read one XCom whose value is an object; None when there is none.

        What a trigger has left comes as JSON text, what a worker has left as the value itself.
        """
        try:
            answer = await self._call_for_dag(
                dag_id, self._xcoms.get_xcom_entry_without_preload_content, task_id, dag_run_id, key, stringify=False
            )
        except Answer as error:
            if error.status == 404:
                return None
            raise
        value = answer["value"]
        return json.loads(value) if isinstance(value, str) else value

    async def _call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        request: Request = method(*args, **kwargs)
        return await self.gate.through(lambda: self._send(request))

    async def _call_for_dag(self, dag_id: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As `_call`; the author of a job has chosen the DAG: that it is denied says nothing about other requests."""
        request: Request = method(dag_id, *args, **kwargs)
        return await self.gate.through(lambda: self._send_for_dag(dag_id, request))

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        """Wait for one's turn to write; whoever has it is the one to get on."""
        health.rest()
        async with self._write:
            health.beat()
            yield

    async def _send_for_dag(self, dag_id: str, request: Request) -> Any:
        status, body = await self._ask(request)
        if status == HTTPStatus.FORBIDDEN:
            raise DagDenied(
                f"Airflow answered 403: it has no DAG {dag_id!r} that the operator's account may run; "
                "correct spec.dagId, or give the account's role that DAG"
            )
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            await self._tell_whose_error(dag_id, words(body))
        return judge(status, body)

    async def _tell_whose_error(self, dag_id: str, said: str) -> None:
        """Airflow answers 500 while its database is away, for a DAG it cannot read, and for any other error within.

        What one job asks for must stop nobody else, so the first alone is Airflow's trouble: then it answers nothing.
        """
        await self._send(self._one_live_run())
        status, _ = await self._ask(cast("Any", self._dags.get_dag_without_preload_content)(dag_id))
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            raise DagBroken(
                f"Airflow answered 500 for all that is of DAG {dag_id!r}, and serves others: {said}; "
                "see the log of its API server"
            )
        raise Answer(HTTPStatus.INTERNAL_SERVER_ERROR, said)

    async def _send(self, request: Request) -> Any:
        return judge(*await self._ask(request))

    async def _ask(self, request: Request) -> tuple[int, bytes]:
        """Send it with a token, and once more with a new one where that is refused."""
        refused = None
        for _ in range(2):
            token = await self._credentials.token(self._login, refused)
            status, body = await self._connections.send(request, Authorization=f"Bearer {token}")
            if not self._credentials.may_be_stale(token, status, body):
                break
            refused = token
        if status == HTTPStatus.NOT_FOUND and not _is_airflows(body):
            raise AirflowUnreachable(
                "404 was answered, but not by Airflow's API; look at ACJ_AIRFLOW_URL, and at proxies on the way"
            )
        return status, body

    async def _login(self, username: str, password: str) -> str:
        content = {"username": username, "password": password}
        request = Request("POST", f"{self._base}/auth/token", {"Content-Type": "application/json"}, content)
        try:
            return str(judge(*await self._connections.send(request))["access_token"])
        except Answer as error:  # it must not pass for the answer to what the token is for
            raise AirflowUnreachable(f"Airflow gives no token: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()


def _is_airflows(body: bytes) -> bool:
    """Whether a refusal is in the words of Airflow's API: its 404 says that a run is lost, a proxy's says nothing."""
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and "detail" in answer
