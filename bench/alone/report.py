"""What was played, kept under bench/results/: as JSON, as tables, as curves.

Called by `__main__` after each scene. A scene played again for the same count replaces what was there of it, so that
the whole can be measured in parts; each says when it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from bench import plots, results
from bench.alone.api_server import Json
from bench.figures import Spread

NAME: Final = "alone"

Played = dict[str, dict[str, list[Json]]]
"""Scene -> count -> one result for each time it was played."""


def keep(scene: str, count: int, rounds: list[Json]) -> None:
    """Put this beside what was measured before, and draw all anew."""
    path = results.FOLDER / f"{NAME}.json"
    known: Played = json.loads(path.read_text())["results"] if path.exists() else {}
    measured = {"measured": results.now(), "machine": results.machine()}
    known.setdefault(scene, {})[str(count)] = [measured | one for one in rounds]
    results.FOLDER.mkdir(exist_ok=True)
    draw(known)
    about = "The operator alone, against an Airflow that answers at once"
    machines = [one["machine"] for scene in known.values() for rounds in scene.values() for one in rounds]
    results.save(NAME, about, known, [one for one in tables(known) if one], machines)


def tables(played: Played) -> list[str]:
    """All tables there is something for; an empty text for the others."""
    return [
        _table("Jobs at once", BURST, played.get("burst", {}), _burst),
        _table("Jobs that run", LIVE, played.get("live", {}), _live),
        _table("Resources at a restart, nine of ten finished", RESTART, played.get("restart", {}), _restart),
        _table("Jobs running, and as many waiting, while Airflow is away", AWAY, played.get("away", {}), _away),
    ]


def draw(played: Played) -> None:
    """Draw how things grow with the number of resources."""
    live = [one for rounds in _by_count(played.get("live", {})) for one in rounds if one["live"]]
    restarts = [one for rounds in _by_count(played.get("restart", {})) for one in rounds]
    if live:
        x = "jobs that run"
        plots.lines("alone-memory", "Operator's memory", (x, "MB"), {"resident": _points(live, "live", "memory_mb")})
        idle = {
            name: [(float(one["live"]), _per_second(one["idle"], key)) for one in live]
            for name, key in (("requests to Airflow", "requests_to_airflow"), ("writes", "writes_to_api_server"))
        }
        plots.lines("alone-idle", "While nothing happens", (x, "per second"), idle)
        latency = {
            f"{name}, {part}": [(float(one["live"]), one["trickle"][key][part]) for one in live]
            for name, key in (("apply to DagRun", "apply_to_dag_run"), ("end to status", "end_to_status"))
            for part in ("p50", "p99")
        }
        plots.lines("alone-latency", "5 jobs a second beside them", (x, "seconds"), latency)
    if restarts:
        keys = {"all known": "known_after_seconds", "ends recorded": "ends_recorded_after_seconds"}
        curve = {name: _points(restarts, "resources", key) for name, key in keys.items()}
        plots.lines("alone-restart", "Restart, nine of ten finished", ("resources", "seconds"), curve)


BURST: Final = (
    *("rounds", "jobs per second", "operator, CPU ms per job", "API server and etcd, CPU ms per job"),
    *("requests to Airflow per job", "writes per job", "apply to DagRun, p99 s", "memory before, MB", "after, MB"),
)
LIVE: Final = (
    *("memory, MB", "idle: operator's CPU s per minute", "idle: requests to Airflow per minute", "idle: writes"),
    *("5 a second: apply to DagRun, p50 and p99 s", "end to status, p50 and p99 s"),
)
RESTART: Final = ("ends recorded after s", "all known after s", "touched without need", "memory, MB")
AWAY: Final = ("writes in a minute", "tries in a minute", "operator's CPU s", "waiting ones over, s after its return")


def _burst(rounds: list[Json]) -> Sequence[object]:
    control = [one["cpu_ms_per_job"]["kube-apiserver"] + one["cpu_ms_per_job"]["etcd"] for one in rounds]
    return (
        len(rounds),
        Spread.of([one["jobs_per_second"] for one in rounds]),
        Spread.of([one["cpu_ms_per_job"]["operator"] for one in rounds]),
        Spread.of(control),
        Spread.of([sum(one["requests_per_job"].values()) for one in rounds]),
        Spread.of([sum(one["writes_per_job"].values()) for one in rounds]),
        Spread.of([one["apply_to_dag_run"]["p99"] for one in rounds]),
        Spread.of([one["memory_before_mb"] for one in rounds]),
        Spread.of([one["memory_mb"] for one in rounds]),
    )


def _live(rounds: list[Json]) -> Sequence[object]:
    (one,) = rounds[-1:]
    idle, trickle = one["idle"], one["trickle"]
    minutes = idle["seconds"] / 60
    return (
        f"{one['memory_mb']:.0f}",
        f"{idle['cpu_seconds']['operator'] / minutes:.2f}",
        f"{sum(idle['requests_to_airflow'].values()) / minutes:.0f}",
        sum(idle["writes_to_api_server"].values()),
        " ".join(f"{trickle['apply_to_dag_run'][part]:.2f}" for part in ("p50", "p99")),
        " ".join(f"{trickle['end_to_status'][part]:.2f}" for part in ("p50", "p99")),
    )


def _restart(rounds: list[Json]) -> Sequence[object]:
    (one,) = rounds[-1:]
    return (
        f"{one['ends_recorded_after_seconds']:.1f}",
        f"{one['known_after_seconds']:.1f}",
        one["touched_without_need"],
        f"{one['memory_mb']:.0f}",
    )


def _away(rounds: list[Json]) -> Sequence[object]:
    (one,) = rounds[-1:]
    meanwhile = one["while_away"]
    return (
        sum(meanwhile["writes_to_api_server"].values()),
        sum(meanwhile["requests_to_airflow"].values()),
        f"{meanwhile['cpu_seconds']['operator']:.2f}",
        f"{one['over_after_return_seconds']:.1f}",
    )


def _table(what: str, head: Sequence[str], rounds: dict[str, list[Json]], row: Any) -> str:
    rows = [(f"{int(count):,}", played[-1]["measured"], *row(played)) for count, played in _items(rounds)]
    return results.table((what, "measured", *head), rows) if rows else ""


def _items(rounds: dict[str, list[Json]]) -> list[tuple[str, list[Json]]]:
    return sorted(rounds.items(), key=lambda item: int(item[0]))


def _by_count(rounds: dict[str, list[Json]]) -> list[list[Json]]:
    return [played for _, played in _items(rounds)]


def _points(played: Sequence[Json], x: str, y: str) -> list[tuple[float, float]]:
    return [(float(one[x]), float(one[y])) for one in played]


def _per_second(idle: Json, key: str) -> float:
    return float(sum(idle[key].values()) / idle["seconds"])
