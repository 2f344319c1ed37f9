"""Getting a pod into the cluster: created now, or found because an earlier runner created it.

Called by the runner, once for each attempt. Waits for what a wait can mend (quota, an API server that is away); any
other refusal is raised as ApiError with the API server's own words.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from dynamic_pod import contract
from dynamic_pod.api import Api, ApiError, Backoff
from dynamic_pod.patience import Log, Patience

Json = dict[str, Any]
T = TypeVar("T")

ACCOUNT_SECONDS: Final = 20.0
"""How long a new namespace may take to get its ServiceAccount; until then its pods are refused."""

REQUEST_SECONDS: Final = 5.0
"""How long a cancelled runner waits for the answer to a request under way."""


async def admit(api: Api, manifest: Json, log: Log, patience: Patience) -> Json:
    """Create the pod, or adopt the one that this task has already; returns it as the API server knows it."""
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    backoff, waited = Backoff(), 0.0
    while True:
        try:
            pod = await _uncut(api.create_pod(namespace, manifest))
            log.info("Pod %s/%s created", namespace, name)
            return pod
        except ApiError as error:
            if error.reason == "AlreadyExists":
                found = await patience.until_answered(lambda: api.get_pod(namespace, name))
                if found is not None:
                    return _adopted(found, manifest, log)
            elif _may_pass(error, waited):
                patience.tell_once(f"{error.status} {error.reason}", f"The pod cannot be created yet: {error}")
            else:
                raise
        wait = backoff.seconds()
        waited += wait
        await asyncio.sleep(wait)


def _adopted(found: Json, manifest: Json, log: Log) -> Json:
    """The pod that was found, if it is ours. Labels decide, a name proves nothing."""
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    ours = manifest["metadata"]["labels"][contract.LABEL_TASK]
    if (found["metadata"].get("labels") or {}).get(contract.LABEL_TASK) != ours:
        raise ApiError(409, "AlreadyExists", f"pod {namespace}/{name} exists and is not this task's")
    log.info("Pod %s/%s found again; its log follows from the beginning", namespace, name)
    return found


def _may_pass(error: ApiError, waited: float) -> bool:
    """Whether a pod that is refused now may be admitted later."""
    if error.transient or (error.status == 409 and error.reason == "Conflict"):
        return True
    if error.status != 403:
        return False
    words = str(error)
    return "exceeded quota" in words or ("service account" in words and waited < ACCOUNT_SECONDS)


async def _uncut(request: Coroutine[Any, Any, T]) -> T:
    """Let a request under way end when we are cancelled: who cleans up must find what it made."""
    task = asyncio.ensure_future(request)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        deadline = asyncio.get_running_loop().time() + REQUEST_SECONDS
        while not task.done() and asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(asyncio.CancelledError):  # Airflow repeats a cancellation every second
                await asyncio.wait([task], timeout=REQUEST_SECONDS)
        raise
