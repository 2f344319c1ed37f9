"""Reads the settings, connects the parts and runs them: the only place that knows them all."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import kopf
from pydantic import ValidationError

from airflow_container_job import handlers
from airflow_container_job.airflow_api import AirflowApi
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.controller import Controller
from airflow_container_job.errors import Gone
from airflow_container_job.job import GROUP, KIND, VERSION
from airflow_container_job.line import Line
from airflow_container_job.observer import Observer
from airflow_container_job.settings import Settings
from airflow_container_job.status import Links
from airflow_container_job.watch import PODS, REFUSALS, Watch

TOKEN_SECONDS = 60.0
"""How long a token is used before its file is read again; the kubelet renews it long before it expires."""


async def serve(settings: Settings) -> None:
    """Run until a signal ends kopf, or any part fails: then the whole process does, and Kubernetes starts it anew."""
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
    try:
        resources = await _count(cluster, namespaces)
        async with asyncio.TaskGroup() as group:
            routines = (
                controller.run(),
                controller.watch_line(resources),
                observer.run(),
                *(watch.run() for watch in watches),
            )
            parts = [group.create_task(routine) for routine in routines]
            await kopf.operator(
                registry=handlers.registry(memory),
                settings=options,
                standalone=True,
                clusterwide=not settings.namespaces,
                namespaces=settings.namespaces,
                liveness_endpoint=settings.liveness_url,
            )
            for part in parts:
                part.cancel()
    finally:
        await airflow.close()
        await cluster.close()


async def _count(cluster: ClusterApi, namespaces: Sequence[str | None]) -> int:
    """Count the resources. Without a CRD there are none to be: kopf would wait for ever, looking healthy."""
    try:
        return sum([await cluster.count_jobs(name) for name in namespaces])
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
    kopf.configure(log_format=kopf.LogFormat.FULL)
    for chatty in ("kopf.objects", "aiohttp.access"):  # a line for each event and each probe
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = Settings()  # type: ignore[call-arg]  # the fields come from the environment
    except ValidationError as error:
        for problem in error.errors():
            sys.stderr.write(f"ACJ_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}\n")
        raise SystemExit(2) from error
    gc.collect()
    gc.freeze()  # the 120,000 objects of what was imported stay, so no collection has to look at them again
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
