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
from collections.abc import Awaitable, Iterator

from bench.scale import floors, parts, report, simulation
from dev import engine, install, paths, progress, up
from dev.errors import Stop

PARTS = ("floors", "burst", "steady", "live")


async def _measure(options: argparse.Namespace) -> None:
    for part in options.part:
        for each in _each(part, options):
            figures = {"part": part, **await each}
            print(json.dumps(figures, indent=1), flush=True)
            report.write(figures)


def _each(part: str, options: argparse.Namespace) -> Iterator[Awaitable[parts.Figures]]:
    if part == "floors":
        yield from (measure(options.floor) for measure in (floors.pods, floors.runs))
    elif part == "burst":
        yield from (parts.burst(count, 5.0) for count in options.count)
    elif part == "steady":
        for rate in options.rate:
            yield from (parts.steady(rate, in_flight, 60.0) for in_flight in options.in_flight)
    else:
        yield parts.live(options.live, 20.0, 60.0)


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
