"""The one module that talks to Kubernetes: as the user of the kubeconfig, with the official client.

Objects are the API server's JSON, not the client's models. Every method raises NoSuchJob or PluginError, with the API
server's own words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self

import urllib3
from kubernetes import client, watch

from airflow_container_job.job import GROUP, PLURAL, VERSION
from dynamic_pod import contract
from kubectl_acj.errors import NoSuchJob, PluginError
from kubectl_acj.job import Json
from kubectl_acj.kubeconfig import find

JOBS: Final = {"group": GROUP, "version": VERSION, "plural": PLURAL}

REQUEST_SECONDS: Final = 30
"""How long one answer may take."""

WATCH_SECONDS: Final = 240
"""How long the server shall keep one watch open; another follows."""

PAUSE_SECONDS: Final = 1.0
"""Before what was watched is listed again."""

BROKEN: Final = frozenset({410, 429, 500, 502, 503, 504})
"""Answers after which a watch is begun anew: it has expired, or the server is busy or away."""


class Change(NamedTuple):
    """One object as it is now, or was before it was deleted."""

    object: Json
    deleted: bool


class Cluster:
    """One API server, the user's account in it, and a namespace."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._custom = client.CustomObjectsApi(api)
        self._core = client.CoreV1Api(api)

    @classmethod
    def connect(cls, kubeconfig: str | None, context: str | None, namespace: str | None) -> Self:
        """Find the cluster as kubectl does; what is None is the kubeconfig's choice. Raises PluginError."""
        settings, unless_said = find(kubeconfig, context)
        settings.retries = 0  # what it would say of them is not for the user's terminal
        return cls(client.ApiClient(settings), namespace or unless_said)

    # ---- jobs

    def job(self, name: str) -> Json:
        """Read one job."""
        with _told(name, self.namespace):
            found: Json = self._custom.get_namespaced_custom_object(
                **JOBS, namespace=self.namespace, name=name, _request_timeout=REQUEST_SECONDS
            )
            return found

    def jobs(self, *, everywhere: bool) -> list[Json]:
        """Read the jobs of the namespace, or of all, by namespace and name."""
        with _told():
            if everywhere:
                answer = self._custom.list_cluster_custom_object(**JOBS, _request_timeout=REQUEST_SECONDS)
            else:
                answer = self._custom.list_namespaced_custom_object(
                    **JOBS, namespace=self.namespace, _request_timeout=REQUEST_SECONDS
                )
        return list(answer["items"])

    def create(self, job: Json, *, dry_run: bool) -> Json:
        """Make a job; with `dry_run` the server only says what it would be."""
        with _told():  # of what is not there, the namespace, the server speaks best
            made: Json = self._custom.create_namespaced_custom_object(
                **JOBS,
                namespace=self.namespace,
                body=job,
                field_validation="Strict",
                _request_timeout=REQUEST_SECONDS,
                **({"dry_run": "All"} if dry_run else {}),
            )
            return made

    def change(self, name: str, spec: Mapping[str, Any]) -> Json:
        """Set fields of a job's spec; None removes one."""
        with _told(name, self.namespace):
            changed: Json = self._custom.patch_namespaced_custom_object(
                **JOBS,
                namespace=self.namespace,
                name=name,
                body={"spec": spec},
                field_validation="Strict",
                _content_type="application/merge-patch+json",
                _request_timeout=REQUEST_SECONDS,
            )
            return changed

    def delete(self, name: str) -> None:
        """Ask for the deletion of a job, and do not wait for it."""
        with _told(name, self.namespace):
            self._custom.delete_namespaced_custom_object(
                **JOBS, namespace=self.namespace, name=name, _request_timeout=REQUEST_SECONDS
            )

    def follow(self, jobs: Collection[Json]) -> Iterator[Change]:
        """See jobs of the namespace, as they were read, how they are now, and every change of them, without end.

        Of several, one watch of the namespace tells: one for each would be as many connections.
        """
        names = [job["metadata"]["name"] for job in jobs]
        selected = {"field_selector": f"metadata.name={names[0]}"} if len(names) == 1 else {}
        listing = self._custom.list_namespaced_custom_object
        for change in _changes(listing, jobs, **JOBS, namespace=self.namespace, **selected):
            if change.object["metadata"]["name"] in names:
                yield change

    def follow_jobs(self, *, everywhere: bool) -> Iterator[Change]:
        """See the jobs of the namespace, or of all, and every change of them, without end."""
        if everywhere:
            return _changes(self._custom.list_cluster_custom_object, [], **JOBS)
        return _changes(self._custom.list_namespaced_custom_object, [], **JOBS, namespace=self.namespace)

    # ---- what belongs to them

    def pods(self, job: Json) -> list[Json]:
        """The pods of a job, of all its runs, that are still there."""
        with _told():
            return list(_read(self._core.list_namespaced_pod, self.namespace, label_selector=_owned(job))["items"])

    def follow_pods(self, job: Json) -> Iterator[Change]:
        """See the pods of a job, and every change of them, without end."""
        return _changes(self._core.list_namespaced_pod, [], namespace=self.namespace, label_selector=_owned(job))

    def events(self) -> list[Json]:
        """The Kubernetes events of the namespace."""
        with _told():
            return list(_read(self._core.list_namespaced_event, self.namespace)["items"])

    def log(self, pod: str, *, follow: bool) -> Iterator[bytes]:
        """The log of a pod's main container in pieces as they come; with `follow` until the container ends."""
        with _told():
            answer = self._core.read_namespaced_pod_log(
                pod,
                self.namespace,
                container=contract.CONTAINER,
                follow=follow,
                _preload_content=False,
                _request_timeout=(REQUEST_SECONDS, None),
            )
            yield from answer.stream()

    def namespaces(self) -> list[str]:
        """The names of all namespaces, if the user may see them."""
        with _told():
            return [item["metadata"]["name"] for item in _read(self._core.list_namespace)["items"]]


def _owned(job: Json) -> str:
    return f"{contract.LABEL_JOB_UID}={job['metadata']['uid']}"


def _changes(listing: Callable[..., Any], known: Iterable[Json], **selected: Any) -> Iterator[Change]:
    """List and watch, and list again when a watch ends; what went meanwhile is told as deleted.

    `known` are objects that the caller has seen already. The first list may fail, later failures are waited out.
    """
    there = {one["metadata"]["uid"]: one for one in known}
    listed = False
    while True:
        try:
            with _told():
                found = _read(listing, **selected)
                listed = True
                before, there = there, {one["metadata"]["uid"]: one for one in found["items"]}
                yield from (Change(one, deleted=True) for uid, one in before.items() if uid not in there)
                yield from (Change(one, deleted=False) for one in there.values())
                for event in watch.Watch(return_type="object").stream(
                    listing,
                    **selected,
                    resource_version=found["metadata"]["resourceVersion"],
                    timeout_seconds=WATCH_SECONDS,
                    _request_timeout=WATCH_SECONDS + REQUEST_SECONDS,
                ):
                    change = Change(event["raw_object"], deleted=event["type"] == "DELETED")
                    there[change.object["metadata"]["uid"]] = change.object
                    if change.deleted:
                        del there[change.object["metadata"]["uid"]]
                    yield change
        except _Broken:
            if not listed:
                raise
        time.sleep(PAUSE_SECONDS)


def _read(reading: Callable[..., Any], *arguments: Any, **selected: Any) -> Json:
    """Ask for plain JSON, which the client would make models of."""
    answer = reading(*arguments, **selected, _preload_content=False, _request_timeout=REQUEST_SECONDS)
    found: Json = json.loads(answer.data)
    return found


class _Broken(PluginError):
    """No whole answer came: the next one may."""


@contextmanager
def _told(name: str = "", namespace: str = "") -> Iterator[None]:
    """Say in our errors what the client's mean; `name` is the job's that a request is about."""
    try:
        yield
    except client.ApiException as error:
        if error.status == 404 and "page not found" in str(error.body):
            raise PluginError("the cluster does not know AirflowContainerJobs: install the CRD") from error
        if error.status == 404 and name:
            raise NoSuchJob(f'there is no AirflowContainerJob "{name}" in namespace "{namespace}"') from error
        if error.status in BROKEN:
            raise _Broken(_words(error)) from error
        raise PluginError(_words(error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise _Broken(f"the cluster does not answer: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise _Broken(f"no whole answer: {error!r}") from error


def _words(error: client.ApiException) -> str:
    """What the API server says, in its own words."""
    try:
        said = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        said = error.reason
    remedy = "; the account is not known there, or no longer: sign in again" if error.status == 401 else ""
    return f"the cluster refuses: {said}{remedy}"
