"""`python -m bench.scale`: jobs in thousands, with simulated pods, a real API server and a real Airflow on PostgreSQL.

Needs the kind cluster of `make up`. Airflow is put on PostgreSQL for the run, and back as it was after it, also when a
part fails. Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from bench.scale import floors, parts, report, simulation
from dev import engine, install, paths, progress, up
from dev.errors import Stop

PARTS = ("floors", "burst", "steady", "live")


async def _measure(options: argparse.Namespace) -> None:
    for part in options.part:
        for play in _each(part, options):
            async with parts.stage() as on:
                figures = {"part": part, **await play(on)}
                print(json.dumps(figures, indent=1), flush=True)
                report.write(figures)  # before what it left is cleared up, which may fail


def _each(part: str, options: argparse.Namespace) -> Iterator[Callable[[parts.Stage], Awaitable[parts.Figures]]]:
    if part == "floors":
        yield from (partial(measure, count=options.floor) for measure in (floors.pods, floors.runs))
    elif part == "burst":
        yield from (partial(parts.burst, count=count, duration=5.0) for count in options.count)
    elif part == "steady":
        for rate in options.rate:
            for in_flight in options.in_flight:
                yield partial(parts.steady, rate=rate, in_flight=in_flight, seconds=60.0)
    else:
        yield partial(parts.live, count=options.live, rate=20.0, seconds=60.0)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--part", action="append", choices=PARTS, help="one part only; may be repeated (default: all)")
    parser.add_argument("--count", type=int, nargs="+", default=[100, 1000], help="jobs at once (default: %(default)s)")
    parser.add_argument(
        "--floor", type=int, default=500, help="pods, and DagRuns, by themselves (default: %(default)s)"
    )
    parser.add_argument(
        "--in-flight",
        type=int,
        nargs="+",
        default=[10, 100, 900],
        help="runs under way at once; at ACJ_MAX_IN_FLIGHT (1000) jobs would wait their turn (default: %(default)s)",
    )
    parser.add_argument("--live", type=int, default=10_000, help="live resources (default: %(default)s)")
    parser.add_argument(
        "--rate", type=float, nargs="+", default=[2.0, 5.0], help="jobs per second (default: %(default)s)"
    )
    options = parser.parse_args()
    options.part = options.part or PARTS
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was changed is changed back then, too
    progress.start()
    try:
        with paths.lock():
            engine.use()
            with simulation.running(), up.instead(install.POSTGRES):
                asyncio.run(_measure(options))
    except Stop as stop:
        sys.exit(str(stop))


if __name__ == "__main__":
    main()
