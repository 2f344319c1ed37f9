"""Reads the settings, connects the parts and runs them: the only place that knows them all."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import kopf
from pydantic import ValidationError

from airflow_container_job import __version__, handlers, logs, metrics, rollcall
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.census import Census
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.controller import Controller
from airflow_container_job.endpoint import serving
from airflow_container_job.errors import Gone
from airflow_container_job.health import Health
from airflow_container_job.job import GROUP, KIND, VERSION
from airflow_container_job.line import Line
from airflow_container_job.observer import Observer
from airflow_container_job.settings import Settings
from airflow_container_job.status import Links
from airflow_container_job.watch import PODS, REFUSALS, Watch

TOKEN_SECONDS = 60.0
"""How long a token is used before its file is read again; the kubelet renews it long before it expires."""

log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Run until a signal ends kopf, or any part fails: then the whole process does, and Kubernetes starts it anew."""
    health = Health()
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(serving(*settings.listen_address, health))
        except OSError as error:
            raise SystemExit(f"ACJ_LISTEN: {settings.listen} cannot be had: {error.strerror}") from error
        await _operate(settings, health)


async def _operate(settings: Settings, health: Health) -> None:
    options = handlers.settings()
    connection = handlers.login(settings=options)
    if connection is None:
        raise SystemExit("No Kubernetes API server found: run in a pod with a ServiceAccount, or set KUBECONFIG.")
    airflow = AirflowApi(
        settings.airflow_base, settings.dag_id, settings.airflow_credentials, settings.airflow_timeout_seconds
    )
    cluster = ClusterApi(connection.server, connection.as_ssl_context(), _authorization(options))
    observer = Observer(airflow, settings.dag_id, settings.sweep_seconds)
    links = Links(settings.dag_id, settings.ui_base)
    deadline = timedelta(seconds=settings.deletion_deadline_seconds)
    namespaces: list[str | None] = [*settings.namespaces] or [None]
    line = Line(settings.max_in_flight, settings.max_in_flight_per_namespace)
    controller = Controller(airflow, cluster, observer, links, deadline, len(namespaces), line)
    memory = controller.memory
    observer.report_to(memory)
    watches = [Watch(cluster, PODS, name, memory.pod_seen, memory.pods_listed) for name in namespaces]
    watches += [Watch(cluster, REFUSALS, name, memory.refusal_seen) for name in namespaces]
    _watch_over(health, airflow, cluster, controller, line)
    count = partial(_count, cluster, namespaces)
    try:
        resources = await _first(count)
        async with asyncio.TaskGroup() as group:
            routines = (
                ("workers", controller.run()),
                ("queue", controller.watch_line(resources, count)),
                ("observer", observer.run()),
                ("census", Census(cluster, memory, controller.echo, namespaces).run()),
                *((f"{watch.resource}-watch", watch.run()) for watch in watches),
            )
            parts = [group.create_task(health.alive(name, routine)) for name, routine in routines]
            await kopf.operator(
                registry=handlers.registry(memory, controller.echo),
                settings=options,
                standalone=True,
                clusterwide=not settings.namespaces,
                namespaces=settings.namespaces,
            )
            await controller.finish()
            for part in parts:
                part.cancel()
    finally:
        await airflow.close()
        await cluster.close()


def _watch_over(health: Health, airflow: AirflowApi, cluster: ClusterApi, controller: Controller, line: Line) -> None:
    """Say what is to be so for the operator to be alive and ready, and where the gauges of the moment are read."""
    memory, echo, gate = controller.memory, controller.echo, airflow.gate

    def resource_watch() -> str:
        if cluster.trouble:
            echo.excuse()
        return echo.problem()

    def airflow_served() -> str:  # once is enough: an outage is no fault of the operator, and jobs wait for its end
        return "" if gate.served else str(gate.shut_by or "it has not been asked yet")

    health.require_live("resources-watch", resource_watch)
    health.require_ready("resources-listed", lambda: "" if line.opened else "not all are known yet")
    health.require_ready("pods-listed", lambda: "" if memory.pods_known.is_set() else "not all are known yet")
    health.require_ready("kubernetes", lambda: cluster.trouble)
    health.require_ready("airflow", airflow_served)

    metrics.BUILD.info({"version": __version__})
    metrics.REACHABLE.set_function(lambda: float(gate.served and gate.shut_by is None))
    metrics.IN_FLIGHT.set_function(lambda: line.in_flight)
    metrics.IN_FLIGHT_LIMIT.set(line.limit)
    metrics.QUEUE.set_function(lambda: len(line))
    metrics.WORK_QUEUE.set_function(lambda: controller.to_look_at)
    for phase in rollcall.WAITING:
        metrics.LONGEST_WAIT.labels(phase).set_function(partial(memory.roll_call.longest_wait, phase))


async def _count(cluster: ClusterApi, namespaces: Sequence[str | None]) -> int:
    return sum([await cluster.count_jobs(name) for name in namespaces])


async def _first(count: Callable[[], Awaitable[int]]) -> int:
    """Count the resources. Without a CRD there are none to be: kopf would wait for ever, looking healthy."""
    try:
        return await count()
    except Gone:
        raise SystemExit(f"This cluster has no {KIND} of {GROUP}/{VERSION}: install the CRD.") from None


def _authorization(options: kopf.OperatorSettings) -> Callable[[], Mapping[str, str]]:
    """Give the authorization header as it is now, reading its file once in a while."""
    headers: dict[str, str] = {}
    read_at = float("-inf")

    def authorization() -> Mapping[str, str]:
        nonlocal headers, read_at
        if time.monotonic() - read_at >= TOKEN_SECONDS and (connection := handlers.login(settings=options)):
            headers, read_at = connection.as_http_headers(), time.monotonic()
        return headers

    return authorization


def main() -> None:
    """Start the operator; a wrong setting ends it with a sentence that names the variable."""
    logs.configure()
    try:
        settings = Settings()  # type: ignore[call-arg]  # the fields come from the environment
    except ValidationError as error:
        for problem in error.errors():
            name, message = "_".join(map(str, problem["loc"])).upper(), problem["msg"].removeprefix("Value error, ")
            log.critical("ACJ_%s: %s", name, message)
        raise SystemExit(2) from error
    gc.collect()
    gc.freeze()  # the 120,000 objects of what was imported stay, so no collection has to look at them again
    try:
        asyncio.run(serve(settings))
    except SystemExit as end:
        log.critical("%s", end)
        raise SystemExit(1) from None
    except Exception:
        log.critical("The operator ends, for Kubernetes to start it anew", exc_info=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
