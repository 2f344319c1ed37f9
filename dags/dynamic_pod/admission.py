"""Getting a pod into the cluster: created now, or found because an earlier runner created it.

Called by the runner, once for each attempt. Waits for what a wait can mend (quota, an API server that is away), and
tells the pod's owner by a Kubernetes event what it waits for; any other refusal is raised as ApiError with the API
server's own words.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
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


TOLD_TO_OWNER: Final = frozenset({403, 500})
"""Refusals that the owner is told of: a quota, an admission webhook that fails. The rest is the API server's own."""

MESSAGE_LIMIT: Final = 1024
"""Bytes that Kubernetes allows the message of an event."""


async def admit(
    api: Api, manifest: Json, log: Log, patience: Patience, make_room: Callable[[], Awaitable[bool]]
) -> Json:
    """Create the pod, or adopt the one that this task has already; returns it as the API server knows it.

    `make_room` is asked when a quota refuses the pod; it returns whether it freed anything.
    """
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    backoff, waited = Backoff(), 0.0
    while True:
        try:
            pod = await _uncut(api.create_pod(namespace, manifest))
            log.info("Pod %s/%s created", namespace, name)
            return pod
        except ApiError as error:
            # Whatever was refused: quotas and rules are asked before anybody looks whether the pod exists, and it does
            # where the answer to an earlier request got lost.
            found = await adopt(api, manifest, log, patience)
            if found is not None:
                return found
            if error.reason != "AlreadyExists":
                if not _may_pass(error, waited):
                    raise
                if _quota(error) and await make_room():
                    continue
                if patience.tell_once(f"{name} {_trouble(error)}", f"The pod cannot be created yet: {error}"):
                    await _tell_owner(api, manifest, error, log)
        wait = backoff.seconds()
        waited += wait
        await asyncio.sleep(wait)


async def adopt(api: Api, wanted: Json, log: Log, patience: Patience) -> Json | None:
    """Look for a pod by its name; returns it as it is now, and None where there is none.

    Raises ApiError where it is not this task's: labels decide, a name proves nothing.
    """
    name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
    found = await patience.until_answered(lambda: api.get_pod(namespace, name))
    if found is None:
        return None
    if (found["metadata"].get("labels") or {}).get(contract.LABEL_TASK) != wanted["metadata"]["labels"][
        contract.LABEL_TASK
    ]:
        raise ApiError(409, "AlreadyExists", f"pod {namespace}/{name} exists and is not this task's")
    log.info("Pod %s/%s found again; its log follows from the beginning", namespace, name)
    return found


def _may_pass(error: ApiError, waited: float) -> bool:
    """Whether a pod that is refused now may be admitted later."""
    if error.transient or (error.status == 409 and error.reason == "Conflict"):
        return True
    if error.status != 403:
        return False
    return _quota(error) is not None or ("service account" in str(error) and waited < ACCOUNT_SECONDS)


def _quota(error: ApiError) -> str | None:
    """Name of the quota that refuses the pod."""
    found = re.search(r"exceeded quota: ([^,\s]*)", str(error))
    return found[1] if found else None


def _trouble(error: ApiError) -> str:
    """What tells one trouble from another: the words of a quota change with whatever else is in the namespace."""
    return f"{error.status} {error.reason} {_quota(error)}"


async def _tell_owner(api: Api, manifest: Json, error: ApiError, log: Log) -> None:
    """Post the event by which the owner's status, and `kubectl describe`, say why there is no pod. Best effort."""
    meta = manifest["metadata"]
    owner = next(iter(meta.get("ownerReferences", ())), None)
    if owner is None or error.status not in TOLD_TO_OWNER:
        return
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{meta['name']}-", "namespace": meta["namespace"]},
        "involvedObject": {
            **{key: owner[key] for key in ("apiVersion", "kind", "name", "uid")},
            "namespace": meta["namespace"],
        },
        "type": "Warning",
        "reason": contract.EVENT_FAILED_CREATE,
        "message": str(error).encode()[:MESSAGE_LIMIT].decode(errors="ignore"),
        "source": {"component": contract.MANAGER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    try:
        await api.create_event(meta["namespace"], event)
    except ApiError as refusal:
        log.info("The owner could not be told by an event: %s", refusal)


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
