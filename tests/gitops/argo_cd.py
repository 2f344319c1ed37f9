"""Argo CD's API, as its UI and its command line tool use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.support.cluster import API_VERSION, KIND, Json, Namespace
from tests.support.wait import until

SECONDS: Final = 240
"""How long a sync may take with several jobs one after the other, on a slow machine."""


class ArgoCD:
    """What a test asks of it: Applications, their syncs, and what its UI shows."""

    def __init__(self, home: Namespace, place: Namespace, url: str, cluster_url: str, folder: Path) -> None:
        self._home = home
        self._folder = folder
        self.place = place
        """Where it deploys to."""
        self._url = url
        self._cluster_url = cluster_url

    def create(self, name: str, repository: str, manifest: Json | None = None, **policy: Any) -> None:
        """Make an Application for the folder of this name; `manifest` is one that is only to be pointed here."""
        made = manifest or {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "spec": {"project": "default"}}
        spec = made["spec"] | {
            "source": {"repoURL": repository, "targetRevision": "main", "path": name},
            "destination": {"server": self._cluster_url, "namespace": self.place.name},
        }
        if policy:
            spec["syncPolicy"] = policy
        self._home.apply(made | {"metadata": {"name": name}, "spec": spec})
        until(f"Argo CD knows {name}", lambda: self._find(name))

    def logs(self) -> dict[str, str]:
        """What its parts have said so far."""
        return {path.stem: path.read_text(errors="replace") for path in sorted(self._folder.glob("*.log"))}

    def application(self, name: str) -> Json:
        """An Application as it stands."""
        found: Json = self("GET", f"/applications/{name}")
        return found

    def refresh(self, name: str) -> None:
        """Look at the repository and the cluster now, instead of some time."""
        self("GET", f"/applications/{name}?refresh=hard")

    def sync(self, name: str) -> None:
        """Begin to sync, as somebody who presses the button."""
        self("POST", f"/applications/{name}/sync", {"strategy": {"hook": {}}})

    def operation(self, name: str) -> Json:
        """The sync that runs or has run last; empty before the first."""
        found: Json = self.application(name).get("status", {}).get("operationState", {})
        return found

    def synced(self, name: str, revision: str, phase: str = "Succeeded") -> Json:
        """Wait until the sync of a commit has ended so; the operation."""

        def ended() -> bool:
            found = self.operation(name)
            return found.get("syncResult", {}).get("revision") == revision and found.get("phase") == phase

        self._until(name, f"synced to {revision[:8]}: {phase}", ended)
        return self.operation(name)

    def stands(self, name: str, health: str, sync: str = "Synced") -> None:
        """Wait until an Application as a whole is this healthy and this much in sync."""

        def there() -> bool:
            status = self.application(name).get("status", {})
            found = status.get("health", {}).get("status"), status.get("sync", {}).get("status")
            return found == (health, sync)

        self._until(name, f"{health} and {sync}", there)

    def node(self, name: str, job: str) -> Json:
        """A job as the UI's tree shows it; empty where it does not."""
        tree = self("GET", f"/applications/{name}/resource-tree")
        found = (one for one in tree.get("nodes", ()) if (one["kind"], one["name"]) == (KIND, job))
        return next(found, {})

    def actions(self, name: str, job: str) -> dict[str, bool]:
        """The actions that the UI offers for a job, and whether they can be chosen."""
        answer = self("GET", f"/applications/{name}/resource/actions?{urlencode(self._names(job))}")
        return {one["name"]: not one.get("disabled", False) for one in answer["actions"]}

    def act(self, name: str, job: str, action: str) -> None:
        """Choose an action."""
        self("POST", f"/applications/{name}/resource/actions/v2", self._names(job) | {"action": action})

    def _find(self, name: str) -> bool:
        return name in [one["metadata"]["name"] for one in self("GET", "/applications")["items"] or ()]

    def _names(self, job: str) -> dict[str, str]:
        group, _, version = API_VERSION.partition("/")
        return {
            "resourceName": job,
            "namespace": self.place.name,
            "group": group,
            "version": version,
            "kind": KIND,
        }

    def _until(self, name: str, what: str, probe: Callable[[], bool]) -> None:
        try:
            until(f"{name} is {what}", probe, SECONDS)
        except AssertionError as error:
            status = self.application(name).get("status", {})
            told = {key: status.get(key) for key in ("sync", "health", "operationState", "conditions", "resources")}
            raise AssertionError(f"{error}; Argo CD says {json.dumps(told)}") from None

    def __call__(self, method: str, path: str, body: Json | None = None) -> Any:
        """Send a request to the API; the JSON answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self._url}/api/v1{path}", data, headers, method=method)  # noqa: S310 - our own address
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.loads(answer.read())
        except HTTPError as error:
            raise AssertionError(f"Argo CD: {method} {path}: {error.code} {error.read().decode()}") from None
