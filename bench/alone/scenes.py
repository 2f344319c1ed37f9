"""What is measured, scene by scene, each on a stage of its own."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

from bench.alone.api_server import Json
from bench.alone.processes import memory_mb
from bench.alone.resources import Ends
from bench.alone.stage import Stage
from bench.figures import percentile

RUN_SECONDS: Final = 1.0
"""How long a run lasts."""

IDLE_SECONDS: Final = 300.0
"""How long nothing is made to happen: five sweeps' time, since an idle operator takes a clock tick now and then."""

TOLD_SECONDS: Final = 30.0
"""After which each has said once that Airflow is away."""

PER_SECOND: Final = 5
TRICKLE_SECONDS: Final = 30
"""The latency is measured on so many jobs, one after the other."""

AWAY_SECONDS: Final = 60.0


async def burst(stage: Stage, count: int) -> Json:
    """So many jobs at once: how many per second the operator sees from apply to their end."""
    await stage.start()
    await stage.warm_up()
    await stage.airflow.rule(RUN_SECONDS)
    await stage.settle()
    none, _ = memory_mb(stage.operator.pid)
    before = await stage.look()
    names = [f"burst-{number}" for number in range(count)]
    async with Ends(stage.api, stage.resources.path) as ends:
        began = time.time()
        made = await stage.create(names)
        created = time.time() - began
        await ends.until(names, 60 + count / 5)
        wall = max(ends.ended[name] for name in names) - began
    await stage.settle()
    grown = (await stage.look()).since(before)
    now, peak = memory_mb(stage.operator.pid)
    return {
        "jobs": count,
        "create_seconds": created,
        "wall_seconds": wall,
        "jobs_per_second": count / wall,
        "cpu_ms_per_job": {name: 1000 * used / count for name, used in grown["cpu_seconds"].items()},
        "requests_per_job": {name: asked / count for name, asked in grown["requests_to_airflow"].items()},
        "writes_per_job": {name: written / count for name, written in grown["writes_to_api_server"].items()},
        "memory_before_mb": none,
        "memory_mb": now,
        "memory_peak_mb": peak,
        **await _latencies(stage, made, ends),
    }


async def live(stage: Stage, count: int) -> Json:
    """So many jobs run on and on: what the operator needs for them, and how soon it sees to others meanwhile."""
    names = [f"live-{number}" for number in range(count)]
    await stage.prepare(names, finished=False)
    began = await stage.start()
    await stage.warm_up()
    seen = time.time() - began
    await stage.settle()
    before = await stage.look()
    await asyncio.sleep(IDLE_SECONDS)
    grown = (await stage.look()).since(before)
    now, peak = memory_mb(stage.operator.pid)
    return {
        "live": count,
        "first_job_over_after_seconds": seen,
        "known_after_seconds": _known_after(stage),
        "memory_mb": now,
        "memory_peak_mb": peak,
        "idle": grown,
        "trickle": await _trickle(stage),
    }


async def _trickle(stage: Stage) -> Json:
    """Jobs one after the other, beside whatever is there."""
    await stage.airflow.rule(RUN_SECONDS)
    names = [f"trickle-{number}" for number in range(PER_SECOND * TRICKLE_SECONDS)]
    made: dict[str, tuple[float, str]] = {}
    before = await stage.look()
    async with Ends(stage.api, stage.resources.path) as ends:
        began = time.monotonic()
        for number, name in enumerate(names):
            await asyncio.sleep(began + number / PER_SECOND - time.monotonic())
            made |= await stage.create([name])
        await ends.until(names, 120)
    grown = (await stage.look()).since(before)
    return {
        "jobs": len(names),
        "per_second": PER_SECOND,
        **await _latencies(stage, made, ends),
        "cpu_ms_per_job": {name: 1000 * used / len(names) for name, used in grown["cpu_seconds"].items()},
        "requests_per_job": {name: asked / len(names) for name, asked in grown["requests_to_airflow"].items()},
    }


async def restart(stage: Stage, count: int) -> Json:
    """The operator comes back to so many resources, nine of ten finished, some ended meanwhile."""
    finished = [f"finished-{number}" for number in range(count * 9 // 10)]
    running = [f"live-{number}" for number in range(count - len(finished))]
    await stage.prepare(finished, finished=True)
    runs = await stage.prepare(running, finished=False)
    before = await stage.resources.versions()
    ended = running[: max(1, len(running) // 10)]
    await stage.airflow.end(runs[: len(ended)])
    async with Ends(stage.api, stage.resources.path) as ends:
        began = await stage.start()
        await ends.until(ended, 300)
    await stage.settle()
    settled = time.time() - began
    after = await stage.resources.versions()
    touched = [name for name in finished + running[len(ended) :] if before[name] != after[name]]
    now, peak = memory_mb(stage.operator.pid)
    return {
        "resources": count,
        "finished": len(finished),
        "live": len(running),
        "ended_while_away": len(ended),
        "known_after_seconds": _known_after(stage),
        "ends_recorded_after_seconds": max(ends.ended[name] for name in ended) - began,
        "settled_after_seconds": settled,
        "touched_without_need": len(touched),
        "cpu_seconds": (await stage.look()).usage.seconds["operator"],
        "requests_to_airflow": (await stage.airflow.told())["counts"],
        "memory_mb": now,
        "memory_peak_mb": peak,
    }


async def away(stage: Stage, count: int) -> Json:
    """Airflow does not answer while so many jobs run and as many more are asked for: what is written meanwhile."""
    await stage.prepare([f"live-{number}" for number in range(count)], finished=False)
    await stage.start()
    await stage.warm_up()
    await stage.airflow.rule(RUN_SECONDS, away=True)
    waiting = [f"waiting-{number}" for number in range(count)]
    await stage.create(waiting)
    await asyncio.sleep(TOLD_SECONDS)
    before = await stage.look()
    await asyncio.sleep(AWAY_SECONDS)
    grown = (await stage.look()).since(before)
    async with Ends(stage.api, stage.resources.path) as ends:
        back = time.time()
        await stage.airflow.rule(RUN_SECONDS)
        await ends.until(waiting, 300)
    return {
        "live": count,
        "waiting": count,
        "while_away": grown,
        "over_after_return_seconds": max(ends.ended[name] for name in waiting) - back,
    }


async def _latencies(stage: Stage, made: dict[str, tuple[float, str]], ends: Ends) -> Json:
    runs = (await stage.airflow.told())["runs"]
    accepted = [runs[run_id][0] - at for at, run_id in made.values()]
    told = [ends.ended[name] - runs[run_id][1] for name, (_, run_id) in made.items()]
    return {
        "apply_to_dag_run": {"p50": percentile(accepted, 50), "p99": percentile(accepted, 99)},
        "end_to_status": {"p50": percentile(told, 50), "p99": percentile(told, 99)},
    }


def _known_after(stage: Stage) -> float | None:
    """What the operator itself says, from its own start; None when it never said so."""
    found = re.findall(r"resources are known after ([\d.]+) s", stage.operator.log)
    return float(found[-1]) if found else None
