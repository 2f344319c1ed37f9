"""The operator's own ceiling: `python -m bench.alone`, against a fake Airflow that answers at once.

The operator runs as a process of its own, with the rights it has in the cluster, on the kind cluster's API server; the
installed one is away meanwhile, and so is the installed Airflow, which is never quite still, and which forgets its runs
by that. Each scene is played on a fresh namespace with a fresh operator.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bench.alone import report, scenes
from bench.alone.api_server import Json
from bench.alone.stage import Stage, stage
from dev import paths, progress
from dev.errors import Stop
from tests.support.cluster import Cluster
from tests.support.operator_process import AIRFLOW, OPERATOR, away

Scene = Callable[[Stage, int], Awaitable[Json]]

SCENES: Final[dict[str, tuple[Scene, Sequence[int]]]] = {
    "burst": (scenes.burst, (100, 1_000)),
    "live": (scenes.live, (100, 1_000, 10_000)),
    "restart": (scenes.restart, (100, 1_000, 10_000)),
    "away": (scenes.away, (50,)),
}
"""Name -> what is played, and for how many resources."""


BURSTS: Final = 3
"""How often a burst is played; what the others measure varies little."""


async def play(cluster: Cluster, name: str, count: int) -> None:
    """Play one scene for so many resources, and keep what it brought."""
    played = []
    for _ in range(BURSTS if name == "burst" else 1):
        async with stage(cluster) as here:
            played.append(await SCENES[name][0](here, count))
        print(json.dumps({"scene": name, **played[-1]}), flush=True)
    report.keep(name, count, played)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.alone", description=__doc__)
    parser.add_argument("--scene", choices=SCENES, action="append", help="only this one (may be given again)")
    parser.add_argument("--count", type=int, action="append", help="instead of the scene's own counts")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being terminated must mend it all, too
    progress.start()
    try:
        with paths.lock():
            cluster = Cluster.find()
            cluster.install_crd()
            with away(cluster, OPERATOR), away(cluster, AIRFLOW):
                for name in options.scene or SCENES:
                    for count in options.count or SCENES[name][1]:
                        asyncio.run(play(cluster, name, count))
    except Stop as stop:
        sys.exit(str(stop))


if __name__ == "__main__":
    main()
