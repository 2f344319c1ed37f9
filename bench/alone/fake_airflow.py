"""An Airflow that answers at once: `python -m bench.alone.fake_airflow` serves it, and prints its port.

Started by `bench.alone` as a process of its own, so that its CPU time is told apart from the operator's. It counts
requests by kind, and its runs end by themselves. There are no pods: the operator learns of an end from Airflow alone,
so a job costs it no pod events, but one request more, for what the task has left (an XCom). Paths under /bench are the
measurement's own hold on it. Whoever asks is answered: it listens on loopback and guards nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar
from urllib.parse import unquote

from aiohttp import web

from bench.alone.fake_runs import FakeRuns, Json, Run, page

Reply = tuple[int, Json]
SINCE = ("updated_at_gte", "end_date_gte", "start_date_gte")
"""Filters by the time of a change; no question has more than one of them."""

Route = Callable[["FakeAirflow", web.BaseRequest, Json, list[str]], Reply]


class FakeAirflow:
    """The API as far as the operator asks it."""

    def __init__(self) -> None:
        self.runs = FakeRuns()
        self.counts: Counter[str] = Counter()
        self.away = False

    async def serve(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        text = await request.read()
        path = request.rel_url.raw_path
        if self.away and not path.startswith("/bench/"):
            self.counts["while away"] += 1
            return web.json_response({"detail": "away"}, status=503)
        for method, kind, pattern, route in self.ROUTES:
            if method == request.method and (match := pattern.fullmatch(path)):
                counted = "GET dagRuns, a count" if request.query.get("limit") == "1" else kind
                self.counts[counted] += 1
                status, body = route(self, request, json.loads(text) if text else {}, [*map(unquote, match.groups())])
                return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")
        self.counts["unknown"] += 1
        return web.json_response({"detail": f"Not Found: {request.method} {path}"}, status=404)

    def _login(self, _request: web.BaseRequest, _body: Json, _names: list[str]) -> Reply:
        return 201, {"access_token": "token"}

    def _health(self, _request: web.BaseRequest, _body: Json, _names: list[str]) -> Reply:
        return 200, {part: {"status": "healthy"} for part in ("metadatabase", "scheduler", "triggerer")}

    def _dag(self, _request: web.BaseRequest, _body: Json, names: list[str]) -> Reply:
        return 200, {"dag_id": names[0], "is_paused": False, "is_stale": False, "has_import_errors": False}

    def _create(self, _request: web.BaseRequest, body: Json, names: list[str]) -> Reply:
        run = self.runs.create(names[0], body["dag_run_id"], body.get("conf") or {}, body.get("note"))
        return (409, {"detail": "Unique constraint violation"}) if run is None else (200, run.shown())

    def _list(self, request: web.BaseRequest, _body: Json, _names: list[str]) -> Reply:
        return self._page(request, "dag_runs", Run.shown)

    def _tasks(self, request: web.BaseRequest, _body: Json, _names: list[str]) -> Reply:
        return self._page(request, "task_instances", Run.shown_task)

    def _page(self, request: web.BaseRequest, key: str, shown: Callable[[Run], Json]) -> Reply:
        query = request.query
        times = [datetime.fromisoformat(query[name]) for name in SINCE if name in query]
        found = self.runs.select(query.getall("state", []), max(times).timestamp() if times else None)
        if "run_after_gte" in query:
            oldest = datetime.fromisoformat(query["run_after_gte"]).timestamp()
            found = [run for run in found if run.created >= oldest]
        limit, offset = int(query.get("limit", "50")), int(query.get("offset", "0"))
        some, following = page(found, limit, query.get("cursor"), offset)
        return 200, {key: [shown(run) for run in some], "total_entries": len(found), "next_cursor": following}

    def _read(self, _request: web.BaseRequest, _body: Json, names: list[str]) -> Reply:
        run = self.runs.runs.get(names[1])
        return (404, {"detail": "not found"}) if run is None else (200, run.shown())

    def _task(self, _request: web.BaseRequest, _body: Json, names: list[str]) -> Reply:
        run = self.runs.runs.get(names[1])
        return (404, {"detail": "not found"}) if run is None else (200, run.shown_task())

    def _patch(self, request: web.BaseRequest, body: Json, names: list[str]) -> Reply:
        self.runs.end(names[1], body["state"])
        return self._read(request, body, names)

    def _xcom(self, _request: web.BaseRequest, _body: Json, names: list[str]) -> Reply:
        run = self.runs.runs.get(names[1])
        if run is None or run.ended is None:
            return 404, {"detail": "not found"}
        return 200, {"key": names[3], "value": run.left()}

    # ---- the measurement's own

    def _rule(self, _request: web.BaseRequest, body: Json, _names: list[str]) -> Reply:
        """Say how long runs last from now on, and whether Airflow answers at all."""
        self.runs.seconds, self.away = body["seconds"], body["away"]
        return 200, {}

    def _fill(self, _request: web.BaseRequest, body: Json, _names: list[str]) -> Reply:
        """Make runs that nobody asked for over the API, in state `running`, until they are told to end."""
        rule, self.runs.seconds = self.runs.seconds, None
        for one in body["runs"]:
            self.runs.create(one["dag_id"], one["dag_run_id"], one["conf"], None)
        self.runs.seconds = rule
        return 200, {}

    def _end(self, _request: web.BaseRequest, body: Json, _names: list[str]) -> Reply:
        for run_id in body["runs"]:
            self.runs.end(run_id, "success")
        return 200, {}

    def _told(self, _request: web.BaseRequest, _body: Json, _names: list[str]) -> Reply:
        """All requests so far by kind, and all runs' times by run id."""
        times = {run.run_id: (run.created, run.ended) for run in self.runs.runs.values()}
        return 200, {"counts": self.counts, "runs": times, "now": time.time()}

    _RUN = r"/api/v2/dags/([^/]+)/dagRuns/([^/]+)"
    ROUTES: ClassVar[list[tuple[str, str, re.Pattern[str], Route]]] = [
        ("POST", "POST dagRuns", re.compile(r"/api/v2/dags/([^/]+)/dagRuns"), _create),
        ("GET", "GET xcomEntries", re.compile(_RUN + r"/taskInstances/([^/]+)/xcomEntries/([^/]+)"), _xcom),
        ("GET", "GET dagRuns", re.compile(r"/api/v2/dags/([^/]+)/dagRuns"), _list),
        ("GET", "GET taskInstances", re.compile(_RUN + "/taskInstances"), _tasks),
        ("GET", "GET taskInstance", re.compile(_RUN + "/taskInstances/([^/]+)"), _task),
        ("GET", "GET dagRun", re.compile(_RUN), _read),
        ("PATCH", "PATCH dagRun", re.compile(_RUN), _patch),
        ("GET", "GET dag", re.compile(r"/api/v2/dags/([^/]+)"), _dag),
        ("GET", "GET health", re.compile(r"/api/v2/monitor/health"), _health),
        ("POST", "POST token", re.compile(r"/auth/token"), _login),
        ("POST", "bench", re.compile(r"/bench/rule"), _rule),
        ("POST", "bench", re.compile(r"/bench/fill"), _fill),
        ("POST", "bench", re.compile(r"/bench/end"), _end),
        ("GET", "bench", re.compile(r"/bench/told"), _told),
    ]


async def main() -> None:
    """Serve until the process is ended."""
    runner = web.ServerRunner(web.Server(FakeAirflow().serve, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
