"""What was measured, kept in bench/results: everything as JSON, tables, and the curves.

Called by __main__ after each part, so that a part which fails costs only its own figures. Parts of other sizes measured
before, on another day perhaps, stay: each says when it was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench import plots, results
from bench.scale import floors

Figures = Mapping[str, Any]

NAME: Final = "scale"
ABOUT: Final = "Simulated pods, a real API server, and a real Airflow on PostgreSQL"

SIZES: Final = {"floors": "what", "burst": "jobs", "steady": "in_flight", "live": "live"}
"""Part -> what it is repeated over."""

LATENCIES: Final = ("apply_to_accepted", "apply_to_pod", "pod_end_to_terminal")


def write(figures: Figures) -> None:
    """Write what has just been measured, in place of the same part of the same size."""
    file = results.FOLDER / f"{NAME}.json"
    earlier = json.loads(file.read_text())["results"] if file.exists() else []
    parts = [one for one in earlier if name_of(one) != name_of(figures)]
    parts.append({"measured": results.now(), "machine": results.machine(), **figures})
    parts.sort(key=lambda one: (list(SIZES).index(one["part"]), one.get("rate", 0), one[SIZES[one["part"]]]))
    at_least = [one for one in parts if one["part"] == "floors"]
    jobs = parts[len(at_least) :]
    for part, rate in sorted({(one["part"], one.get("rate")) for one in jobs}, key=str):
        ours, size = [one for one in jobs if (one["part"], one.get("rate")) == (part, rate)], SIZES[part]
        if len(ours) > 1:
            curves = {
                f"{latency} {share}": [(one[size], one[latency][share]) for one in ours if one[latency]]
                for latency in LATENCIES
                for share in ("p50", "p99")
            }
            title = part if rate is None else f"{part} {rate:g} a second"
            plots.lines(f"{NAME}-{title.replace(' ', '-')}", title, (size, "seconds"), curves)
    tables = [*([_floors(at_least)] if at_least else []), *([_latencies(jobs), _usage(jobs)] if jobs else [])]
    results.save(NAME, ABOUT, parts, tables, [one["machine"] for one in parts])


def _floors(parts: Sequence[Figures]) -> str:
    head = ["alone on the machine", "measured", "at once", "per second", "CPU ms of the whole machine for each"]
    rows = [
        [one["what"], one["measured"], *(one[key] for key in ("count", "per_second", "cpu_ms_each"))] for one in parts
    ]
    if len(parts) > 1:
        both = sum(one["cpu_ms_each"] for one in parts)
        rows.append(["both, so a job at the least", "", "", f"{floors.most_per_second(both):.1f} at the most", both])
    return results.table(head, rows)


def _latencies(parts: Sequence[Figures]) -> str:
    head = ["part", "measured", "jobs/s", *(f"{name} p50 / p99 (s)" for name in LATENCIES), "failed", "not over"]
    rows = [
        [
            name_of(one),
            one["measured"],
            one.get("jobs_per_second", ""),  # not told by a steady part that was measured before it counted its ends
            *(f"{one[name].get('p50', '')} / {one[name].get('p99', '')}" for name in LATENCIES),
            one["failed"],
            one["not_over"],
        ]
        for one in parts
    ]
    return results.table(head, rows)


def _usage(parts: Sequence[Figures]) -> str:
    names = sorted({name for one in parts for name in one["cpu_seconds"]})
    head = ["CPU seconds (MB)", *(name_of(one) for one in parts)]
    rows = [[name, *(_pair(one, name) for one in parts)] for name in names]
    return results.table(head, rows)


def _pair(one: Figures, name: str) -> str:
    memory = one["memory_mb"].get(name)
    return f"{one['cpu_seconds'].get(name, '')}" + (f" ({memory:.0f})" if memory else "")


def name_of(one: Figures) -> str:
    """Name a part with its size."""
    size = one[SIZES[one["part"]]]
    at = f", {one['rate']:g} a second" if "rate" in one else ""
    return f"{one['part']} {size}{at}" if isinstance(size, str) else f"{one['part']} {size:,}{at}"
