"""The skin towards kopf: it logs in, watches the resources, and hands every event on. It decides nothing.

Only low-level event handlers are used: they write nothing to the resource, neither annotations nor kopf's finalizer,
and hold no task per resource. What is to be done is decided from the newest state, not from a difference.
"""

from __future__ import annotations

from typing import Any

import kopf

from airflow_container_job.echo import Echo
from airflow_container_job.job import GROUP, PLURAL, VERSION
from airflow_container_job.memory import Memory


class NoDiff(kopf.DiffBaseStorage):
    """Keeps kopf from copying every version of every resource for a difference that nobody here asks for."""

    def fetch(self, **_: Any) -> None:
        """Know no earlier version."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Take nothing of the object for what is compared."""
        return kopf.BodyEssence()

    def store(self, **_: Any) -> None:
        """Keep nothing."""


def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """Find the API server: the pod's ServiceAccount, else the kubeconfig file."""
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def registry(memory: Memory, echo: Echo) -> kopf.OperatorRegistry:
    """Connect what is known about jobs with kopf; `echo` is told what comes."""
    handlers = kopf.OperatorRegistry()
    kopf.on.login(registry=handlers, id="login")(login)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers, id="job")
    async def job_event(event: kopf.RawEvent, **_: Any) -> None:
        if event["type"] == "DELETED":
            echo.forget(event["object"]["metadata"]["uid"])
            memory.job_gone(event["object"]["metadata"]["uid"])
        else:
            echo.heard(event["object"])
            memory.job_seen(event["object"])

    return handlers


def settings() -> kopf.OperatorSettings:
    """The knobs of kopf itself, where its defaults do not fit."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False  # nothing is logged per object that a person should find as an event
    chosen.scanning.disabled = True  # needs no rights on namespaces and CRDs
    chosen.watching.server_timeout = 300  # a stream that died silently is renewed after this at the latest
    chosen.watching.connect_timeout = 10
    chosen.watching.chunk_size = 100  # a list of 10,000 resources comes in parts
    chosen.networking.request_timeout = 60
    chosen.queueing.idle_timeout = 0.5  # a worker keeps the last version of its resource while it waits for a newer one
    chosen.persistence.diffbase_storage = NoDiff()
    chosen.persistence.finalizer = f"{GROUP}/kopf"  # never set, but two kopf operators must not share a name
    return chosen
