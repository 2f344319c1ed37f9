"""The one module that talks to Airflow: what a run has left there, read with the user's own account.

Address and account come from the environment alone. The address is not taken from a resource's status, which others may
write: the account's password would go wherever it says. Secrets of the cluster are not read either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from kubectl_acj.errors import PluginError
from kubectl_acj.job import Json

URL: Final = "AIRFLOW_URL"
TOKEN: Final = "AIRFLOW_TOKEN"
USERNAME: Final = "AIRFLOW_USERNAME"
PASSWORD: Final = "AIRFLOW_PASSWORD"

ACCOUNT: Final = f"{USERNAME} and {PASSWORD}, or {TOKEN}"

TIMEOUT: Final = (10, 60)
"""Seconds to connect, and between two pieces of an answer."""

PAGE: Final = 100
"""Task instances of one answer: as many as Airflow gives."""


class Task(NamedTuple):
    """A task instance of a DagRun, in its last try."""

    task_id: str
    map_index: int
    try_number: int

    def __str__(self) -> str:
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class Airflow:
    """Airflow's API, with an account."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.auth = _Bearer(token)

    @classmethod
    def configured(cls, environment: Mapping[str, str]) -> bool:
        """Whether the environment says how to reach Airflow."""
        return not _missing(environment)

    @classmethod
    def connect(cls, environment: Mapping[str, str]) -> Self:
        """Sign in with what the environment says. Raises PluginError, also when something is not said."""
        if missing := _missing(environment):
            raise PluginError(f"Airflow is not known here: set {' and '.join(missing)}")
        url = environment[URL].rstrip("/")
        if token := environment.get(TOKEN):
            return cls(url, token)
        account = {"username": environment[USERNAME], "password": environment[PASSWORD]}
        with requests.Session() as session, _read_as_airflows(url):
            return cls(url, str(_send(session, "POST", f"{url}/auth/token", json=account)["access_token"]))

    def run(self, dag_id: str, dag_run_id: str) -> Json:
        """Read a DagRun; empty when there is none any more. Raises PluginError."""
        try:
            with _read_as_airflows(self._url):
                return dict(self._get(_path(dag_id, dag_run_id)))
        except _Absent:
            return {}

    def tasks(self, dag_id: str, dag_run_id: str) -> list[Task]:
        """The task instances of a DagRun that have begun, in the order they did. Raises PluginError."""
        found: list[Json] = []
        with _read_as_airflows(self._url):
            while True:
                path = f"{_path(dag_id, dag_run_id)}/taskInstances"
                page = self._get(path, order_by="start_date", limit=str(PAGE), offset=str(len(found)))
                found += page["task_instances"]
                if not page["task_instances"] or len(found) >= page["total_entries"]:
                    break
            begun = [one for one in found if one["start_date"] and one["try_number"]]
            return [Task(one["task_id"], one["map_index"], one["try_number"]) for one in begun]

    def log(self, dag_id: str, dag_run_id: str, task: Task) -> Iterator[str]:
        """The lines of a task's log, without Airflow's own headings. Raises PluginError."""
        path = f"{_path(dag_id, dag_run_id)}/taskInstances/{quote(task.task_id, safe='')}/logs/{task.try_number}"
        with _read_as_airflows(self._url):
            entries = self._get(path, full_content="true", map_index=str(task.map_index))["content"]
            texts = [entry if isinstance(entry, str) else str(entry.get("event", "")) for entry in entries]
        yield from (text for text in texts if not text.startswith(("::group::", "::endgroup::")))

    def _get(self, path: str, **query: str) -> Any:
        return _send(self._session, "GET", f"{self._url}/api/v2{path}", params=query)


class _Bearer(AuthBase):
    """The token, said in a way that a .netrc does not override."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@contextmanager
def _read_as_airflows(url: str) -> Iterator[None]:
    """For answers: what has not the shape of Airflow's is somebody else's, such as a proxy's."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise PluginError(f"what answers at {url} is not Airflow; check {URL}") from error


class _Absent(PluginError):
    """Airflow has no such thing."""


def _missing(environment: Mapping[str, str]) -> list[str]:
    """What the environment does not say, for a sentence."""
    account = environment.get(TOKEN) or (environment.get(USERNAME) and environment.get(PASSWORD))
    return [name for name, said in ((URL, environment.get(URL)), (ACCOUNT, account)) if not said]


def _path(dag_id: str, dag_run_id: str) -> str:
    return f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(dag_run_id, safe='')}"


def _send(session: requests.Session, method: str, url: str, **said: Any) -> Any:
    """Send a request; its JSON. A redirect is not followed: it might carry the account elsewhere."""
    try:
        answer = session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **said)
    except requests.RequestException as error:
        raise PluginError(f"Airflow does not answer at {url}: {error}; check {URL}") from error
    if answer.status_code in (401, 403):
        raise PluginError(f"Airflow answered {answer.status_code} at {url}; check {ACCOUNT}")
    if answer.status_code == 404:
        raise _Absent(f"Airflow has nothing at {url}: the run may have been deleted, or {URL} is not its address")
    if not answer.ok or answer.is_redirect:
        raise PluginError(f"Airflow answered {answer.status_code} at {url}: {answer.text[:500]}; check {URL}")
    with _read_as_airflows(url):
        return answer.json()
