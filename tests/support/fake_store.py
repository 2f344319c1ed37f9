"""What the fake Airflow knows, and what it answers: DAGs, DagRuns, XComs and tokens, in memory.

Base of `fake_airflow.FakeAirflow`, which adds server and faults. Answers, refusals included, have the shapes and
words of airflow/api_fastapi/core_api (3.3). What the operator does not ask is left out, and answered with 404.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import unquote

Json = dict[str, Any]
Answer = tuple[int, Json]

USERNAME: Final = "operator"
PASSWORD: Final = "fake-airflow"  # opens nothing but this fake
PAGE_LIMIT: Final = 100
FINISHED: Final = frozenset({"success", "failed"})
POST_KEYS: Final = {
    *("dag_run_id", "data_interval_start", "data_interval_end", "logical_date"),
    *("run_after", "conf", "note", "partition_key"),
}


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    token: str | None

    def first(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, [default])[0]


@dataclass
class Dag:
    """A DAG, as far as it decides whether a run may be made."""

    dag_id: str
    is_paused: bool = False
    is_stale: bool = False
    """Its file is gone: it is still shown, and takes no new run."""
    has_import_errors: bool = False
    allowed_run_types: list[str] | None = None


class Refusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, detail: Any) -> None:
        self.answer: Answer = (status, {"detail": detail})


class FakeStore:
    """DAGs, DagRuns, XComs and tokens; a test's hold on them, and the API's. Safe to use from any thread."""

    def __init__(self) -> None:
        self.dags = {"container_job": Dag("container_job")}
        self.refuse_conf: str | None = None
        """Answer POST with 400 and these words, as Airflow does when `conf` does not fit the DAG's Params."""
        self.forbidden: set[str] = set()
        """DAGs of which the account's role has no right, whether there are such or not."""
        self.broken: set[str] = set()
        """DAGs that it cannot read as they are stored."""
        self.unhealthy: set[str] = set()
        """Parts of Airflow that have not reported for too long, such as `scheduler`."""
        self._runs: dict[tuple[str, str], Json] = {}
        self._numbers = itertools.count(1)
        self._xcoms: dict[tuple[str, str, str], Any] = {}
        self._tokens: dict[str, str] = {}
        self._lock = threading.RLock()

    # ---- DagRuns, as a test sees and moves them

    @property
    def runs(self) -> list[Json]:
        """All DagRuns, oldest first."""
        with self._lock:
            return [dict(run) for run in self._runs.values()]

    def add_dag(self, dag_id: str) -> Dag:
        """Make another DAG."""
        return self.dags.setdefault(dag_id, Dag(dag_id))

    def create(self, dag_run_id: str, conf: Json, dag_id: str = "container_job") -> None:
        """Make a DagRun that nobody asked for over HTTP."""
        with self._lock:
            self._runs[dag_id, dag_run_id] = _new_run(dag_id, dag_run_id, conf, None, next(self._numbers))

    def start(self, dag_run_id: str) -> None:
        """Let the run begin."""
        self._move(dag_run_id, "running")

    def finish(self, dag_run_id: str, state: str) -> None:
        """Let the run end, as `success` or `failed`; or mark it so, as somebody may before or after its end."""
        self._move(dag_run_id, state)

    def end_task(self, dag_run_id: str, state: str) -> None:
        """Let the run's only task end so; the scheduler has not looked at the run since."""
        with self._lock:
            self._runs[self._find(dag_run_id)]["task"] = {"state": state, "end_date": _now()}

    def clear(self, dag_run_id: str) -> None:
        """Clear the run, as somebody may in Airflow's UI, before or after its end: it is to run again."""
        with self._lock:
            run = self._runs[self._find(dag_run_id)]
            _set_state(run, "queued" if run["state"] in FINISHED else run["state"])
            run["start_date"] = run["start_date"] or run["updated_at"]

    def delete_run(self, dag_run_id: str) -> None:
        """Delete the run, as somebody may in Airflow's UI."""
        with self._lock:
            del self._runs[self._find(dag_run_id)]

    def set_xcom(self, dag_run_id: str, key: str, value: Any, task_id: str = "run") -> None:
        """Leave an XCom of the run's task."""
        with self._lock:
            self._xcoms[dag_run_id, task_id, key] = value

    def expire_tokens(self) -> None:
        """From now on 401 for every token handed out, as after their time."""
        with self._lock:
            self._tokens = dict.fromkeys(self._tokens, "Token Expired")

    def change_secret(self) -> None:
        """From now on 403 for every token handed out, as after a restart of Airflow with another signing key."""
        with self._lock:
            self._tokens = dict.fromkeys(self._tokens, "Invalid JWT token")

    def _move(self, dag_run_id: str, state: str) -> None:
        with self._lock:
            _set_state(self._runs[self._find(dag_run_id)], state)

    def _find(self, dag_run_id: str) -> tuple[str, str]:
        return next(key for key in self._runs if key[1] == dag_run_id)

    # ---- the API

    def respond(self, request: Request) -> Answer:
        """Do what is asked, and answer."""
        try:
            if request.path not in ("/auth/token", "/api/v2/monitor/health"):
                self._authenticate(request)
            for method, pattern, route in self._ROUTES:
                if method == request.method and (match := re.fullmatch(pattern, request.path)):
                    return route(self, request, *map(unquote, match.groups()))
        except Refusal as refusal:
            return refusal.answer
        return 404, {"detail": "Not Found"}

    def _authenticate(self, request: Request) -> None:
        if request.token is None:
            raise Refusal(401, "Not authenticated")
        trouble = self._tokens.get(request.token, "Invalid JWT token")
        if trouble:
            raise Refusal(401 if trouble == "Token Expired" else 403, trouble)
        if any(request.path.startswith(f"/api/v2/dags/{dag_id}/") for dag_id in self.forbidden):
            raise Refusal(403, "Forbidden")

    def _login(self, request: Request) -> Answer:
        if request.body != {"username": USERNAME, "password": PASSWORD}:
            raise Refusal(401, "Invalid credentials")
        token = f"token-{len(self._tokens) + 1}"
        self._tokens[token] = ""
        return 201, {"access_token": token}

    def _health(self, _: Request) -> Answer:
        parts = ("scheduler", "triggerer", "dag_processor")
        return 200, {"metadatabase": {"status": "healthy"}} | {
            part: {
                "status": "unhealthy" if part in self.unhealthy else "healthy",
                f"latest_{part}_heartbeat": _now(),
            }
            for part in parts
        }

    def _get_dag(self, _: Request, dag_id: str) -> Answer:
        if dag_id not in self.dags:
            raise Refusal(404, f"Dag with id: {dag_id} was not found")
        self._read_dag(dag_id)
        return 200, _UNUSED_OF_DAG | vars(self.dags[dag_id]) | {"dag_display_name": dag_id, "fileloc": "/dags/dag.py"}

    def _read_dag(self, dag_id: str) -> None:
        if dag_id in self.broken:
            raise Refusal(500, f"An error occurred while trying to deserialize Dag: {dag_id}")

    def _post_run(self, request: Request, dag_id: str) -> Answer:
        body: Json = request.body
        if "logical_date" not in body:
            raise Refusal(422, [{"type": "missing", "loc": ["body", "logical_date"], "msg": "Field required"}])
        if extra := sorted(body.keys() - POST_KEYS):
            text = "Extra inputs are not permitted"
            raise Refusal(422, [{"type": "extra_forbidden", "loc": ["body", key], "msg": text} for key in extra])
        dag = self.dags.get(dag_id)
        if dag is None or dag.is_stale:
            raise Refusal(404, f"Dag with dag_id: '{dag_id}' not found")
        if dag.has_import_errors:
            raise Refusal(400, f"Dag with dag_id: '{dag_id}' has import errors and cannot be triggered")
        if dag.allowed_run_types is not None and "manual" not in dag.allowed_run_types:
            raise Refusal(400, f"Dag with dag_id: '{dag_id}' does not allow manual runs")
        self._read_dag(dag_id)
        if self.refuse_conf is not None:
            raise Refusal(400, self.refuse_conf)
        number = next(self._numbers)
        run_id = body.get("dag_run_id") or f"manual__{number}"
        if (dag_id, run_id) in self._runs:
            raise Refusal(409, {"reason": "Unique constraint violation", "statement": "hidden", "orig_error": "hidden"})
        run = _new_run(dag_id, run_id, body.get("conf") or {}, body.get("note"), number)
        self._runs[dag_id, run_id] = run
        return 200, _public(run)

    def _get_run(self, _: Request, dag_id: str, run_id: str) -> Answer:
        run = self._runs.get((dag_id, run_id))
        if run is None:
            raise Refusal(404, f"The DagRun with dag_id: `{dag_id}` and run_id: `{run_id}` was not found")
        return 200, _public(run)

    def _patch_run(self, request: Request, dag_id: str, run_id: str) -> Answer:
        self._get_run(request, dag_id, run_id)
        self._read_dag(dag_id)
        body: Json = request.body
        if body.keys() - {"state", "note"} or body.get("state") not in ("queued", "success", "failed", None):
            raise Refusal(422, [{"type": "extra_forbidden", "loc": ["body"], "msg": f"not a patch: {body}"}])
        run = self._runs[dag_id, run_id]
        run["note"] = body.get("note", run["note"])
        if body.get("state") is not None:
            _set_state(run, body["state"])
        return self._get_run(request, dag_id, run_id)

    def _list_runs(self, request: Request, dag_id: str) -> Answer:
        if dag_id != "~" and dag_id not in self.dags:
            raise Refusal(404, f"The Dag with ID: `{dag_id}` was not found")
        seen = [run for run in self._runs.values() if run["dag_id"] not in self.forbidden]
        found = [run for run in seen if dag_id in ("~", run["dag_id"]) and _selected(run, request)]
        for key in reversed(request.query.get("order_by", ["id"])):
            name = key.removeprefix("-")
            found.sort(key=lambda run: (run[name] is not None, run[name]), reverse=key.startswith("-"))
        limit = min(int(request.first("limit", "50")), PAGE_LIMIT)
        if "cursor" not in request.query:
            offset = int(request.first("offset", "0"))
            return 200, {
                "dag_runs": [_public(run) for run in found[offset : offset + limit]],
                "total_entries": len(found),
                "next_cursor": None,
            }
        after = int(request.first("cursor") or 0)  # the operator orders by id, so the last id seen is a cursor
        rest = [run for run in found if run["id"] > after]
        return 200, {
            "dag_runs": [_public(run) for run in rest[:limit]],
            "total_entries": len(found),
            "next_cursor": str(rest[limit - 1]["id"]) if len(rest) > limit else None,
        }

    def _list_tasks(self, request: Request) -> Answer:
        """Every run has one task, as those of the generic DAG have."""
        after, limit = int(request.first("cursor") or 0), min(int(request.first("limit", "50")), PAGE_LIMIT)
        found = [
            run
            for run in self._runs.values()
            if run["id"] > after
            and run["dag_run_id"].startswith(request.first("run_id_prefix_pattern"))
            and run["dag_id"].startswith(request.first("dag_id_prefix_pattern"))
            and (run["task"]["state"] or "none") in request.query.get("state", [run["task"]["state"]])
            and _at_least(run["task"]["end_date"], request.first("end_date_gte"))
            and _at_least(run["run_after"], request.first("run_after_gte"))
        ]
        return 200, {
            "task_instances": [_task(run) for run in found[:limit]],
            "total_entries": len(found),
            "next_cursor": str(found[limit - 1]["id"]) if len(found) > limit else None,
        }

    def _get_task(self, _: Request, dag_id: str, run_id: str, task_id: str) -> Answer:
        if (dag_id, run_id) not in self._runs:
            raise Refusal(
                404, f"The Task Instance with dag_id: `{dag_id}`, run_id: `{run_id}` and task_id: `{task_id}`"
            )
        return 200, _task(self._runs[dag_id, run_id])

    def _get_xcom(self, _: Request, dag_id: str, run_id: str, task_id: str, key: str) -> Answer:
        if (run_id, task_id, key) not in self._xcoms:
            raise Refusal(404, f"XCom entry with key: `{key}` not found")
        about = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "key": key, "map_index": -1}
        shown = {"dag_display_name": dag_id, "task_display_name": task_id, "logical_date": None, "run_after": _now()}
        return 200, about | shown | {"timestamp": _now(), "value": self._xcoms[run_id, task_id, key]}

    _ROUTES: ClassVar[list[tuple[str, str, Callable[..., Answer]]]] = [
        ("POST", "/auth/token", _login),
        ("GET", "/api/v2/monitor/health", _health),
        ("GET", "/api/v2/dags/([^/]+)", _get_dag),
        ("POST", "/api/v2/dags/([^/]+)/dagRuns", _post_run),
        ("GET", "/api/v2/dags/([^/]+)/dagRuns", _list_runs),
        ("GET", "/api/v2/dags/~/dagRuns/~/taskInstances", _list_tasks),
        ("GET", "/api/v2/dags/([^/]+)/dagRuns/([^/]+)/taskInstances/([^/]+)", _get_task),
        ("GET", "/api/v2/dags/([^/]+)/dagRuns/([^/]+)", _get_run),
        ("PATCH", "/api/v2/dags/([^/]+)/dagRuns/([^/]+)", _patch_run),
        ("GET", "/api/v2/dags/([^/]+)/dagRuns/([^/]+)/taskInstances/([^/]+)/xcomEntries/(.+)", _get_xcom),
    ]


_UNUSED_OF_DAG: Final[Json] = {
    **dict.fromkeys(("bundle_name", "bundle_version", "description", "relative_fileloc", "timetable_summary")),
    **dict.fromkeys(("last_expired", "last_parse_duration", "last_parsed_time", "timetable_description")),
    **dict.fromkeys(("next_dagrun_data_interval_start", "next_dagrun_data_interval_end")),
    **dict.fromkeys(("next_dagrun_logical_date", "next_dagrun_run_after")),
    **dict.fromkeys(("has_task_concurrency_limits", "timetable_partitioned", "timetable_periodic"), False),
    **dict.fromkeys(("max_active_runs", "max_active_tasks"), 16),
    "file_token": "t",
    "is_backfillable": False,
    "max_consecutive_failed_dag_runs": 0,
    "owners": ["airflow"],
    "tags": [],
}


def _new_run(dag_id: str, run_id: str, conf: Json, note: str | None, number: int) -> Json:
    now = _now()
    nothing = ("logical_date", "start_date", "end_date", "duration", "data_interval_start", "data_interval_end")
    return dict.fromkeys(
        (*nothing, "last_scheduling_decision", "bundle_version", "partition_key", "partition_date")
    ) | {
        "id": number,
        "dag_run_id": run_id,
        "dag_id": dag_id,
        "dag_display_name": dag_id,
        "queued_at": now,
        "updated_at": now,
        "run_after": now,
        "run_type": "manual",
        "state": "queued",
        "triggered_by": "rest_api",
        "triggering_user_name": USERNAME,
        "conf": conf,
        "note": note,
        "dag_versions": [],
        "task": {"state": None, "end_date": None},
    }


def _set_state(run: Json, state: str) -> None:
    """Move a run as `DagRun.set_state` does: a run that is over keeps its end when it is marked otherwise."""
    now = run["updated_at"] = _now()
    if state == run["state"]:
        return
    if state == "queued":
        run |= {"queued_at": now, "start_date": None, "end_date": None}
    elif state == "running":
        run |= {"start_date": now if run["state"] in FINISHED else run["start_date"] or now, "end_date": None}
    elif run["state"] not in FINISHED:
        run["end_date"] = now
    run["state"] = state
    over = state in FINISHED
    run["task"] = {"state": state if over else None, "end_date": run["end_date"] if over else None}


def _public(run: Json) -> Json:
    """The run as DAGRunResponse shows it: the others are Airflow's own, to filter and order by, and the task."""
    return {key: value for key, value in run.items() if key not in ("id", "updated_at", "task")}


def _task(run: Json) -> Json:
    """Give the run's only task as TaskInstanceResponse shows it, as far as it is read."""
    of_run = {key: run[key] for key in ("dag_id", "dag_run_id", "run_after")}
    return {"task_id": "run", **of_run, **run["task"]}


def _selected(run: Json, request: Request) -> bool:
    states = request.query.get("state")
    return (
        run["dag_run_id"].startswith(request.first("run_id_prefix_pattern"))
        and (not states or run["state"] in states)
        and all(_at_least(run[key], request.first(f"{key}_gte")) for key in ("start_date", "end_date", "updated_at"))
    )


def _at_least(time: str | None, bound: str) -> bool:
    return not bound or (time is not None and datetime.fromisoformat(time) >= datetime.fromisoformat(bound))


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
