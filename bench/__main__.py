"""`python -m bench`: five ways to run the same one-line container, side by side in one run on one machine.

Bursts of 1, 30 and 100, in rounds whose order turns, so that none always meets the warmer machine; of each way one
burst goes before, uncounted. The stock operator comes last, since it leaves Airflow busy; its largest bursts run once,
and what was over when their time was up tells its pace. A run of all ways and sizes is kept in bench/results/.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final

from bench import report, stock
from bench.contenders import COMMAND, IMAGE, Api, BareJobs, Burst, ContainerJobs, Refused, Runs
from bench.measure import Measured, measure, settle
from dev import engine, paths, progress
from dev.errors import Stop
from tests.support.cluster import Cluster, Namespace

Maker = Callable[[Namespace, int], Burst]

ROUNDS: Final = ("jobs", "container-jobs", "rest")
STOCK: Final = ("stock", "stock-deferrable")

COUNTS: Final = (1, 30, 100)

OFTEN: Final = 30
"""The largest bursts of the stock operator that run as often as those of the others."""

PATIENCE: Final = 900.0
"""Seconds after which a burst of any other kind is given up."""


def makers(api: Api) -> dict[str, Maker]:
    """Kind -> how a burst of it is made."""
    conf = {"docker_image_name": IMAGE, "commands": COMMAND}
    return {
        "jobs": BareJobs,
        "container-jobs": ContainerJobs,
        "rest": lambda namespace, count: Runs(api, namespace, count, "container_job", conf),
        "stock": lambda namespace, count: Runs(api, namespace, count, stock.DAGS[0], {}),
        "stock-deferrable": lambda namespace, count: Runs(api, namespace, count, stock.DAGS[1], {}),
    }


class Bench:
    """All bursts of a run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._cluster = Cluster.find()
        self._api = Api(self._cluster)
        self._makers = makers(self._api)
        self._cap: float = options.cap
        self._rounds: int = options.rounds
        self._counts = [int(count) for count in options.counts.split(",")]
        self._kinds = options.kinds.split(",")
        self.found: list[Measured] = []

    def run(self) -> None:
        """Measure what was asked for."""
        self._turn([kind for kind in ROUNDS if kind in self._kinds], lambda _: self._rounds)
        if theirs := [kind for kind in STOCK if kind in self._kinds]:
            with stock.installed(self._api, "bench_kpo.py", *stock.DAGS):
                self._turn(theirs, lambda count: self._rounds if count <= OFTEN else 1)

    @property
    def whole(self) -> bool:
        """Whether nothing of the five ways and the three sizes is missing."""
        there = {(one.kind, one.count) for one in self.found}
        return there >= {(kind, count) for kind in (*ROUNDS, *STOCK) for count in COUNTS}

    def _turn(self, kinds: Sequence[str], rounds: Callable[[int], int]) -> None:
        for kind in kinds:
            self._burst(kind, 1)
        for count in self._counts:
            for number in range(rounds(count)):
                for kind in (*kinds[number % len(kinds) :], *kinds[: number % len(kinds)]):
                    self.found.append(self._burst(kind, count))
                    print(report.line(self.found[-1]), flush=True)

    def _burst(self, kind: str, count: int) -> Measured:
        theirs = kind in STOCK  # of which some fail on a machine that is too slow for their workers
        with self._cluster.namespace() as namespace:
            if theirs:
                stock.allow(namespace)
            cap = self._cap if theirs else PATIENCE
            measured = measure(kind, self._makers[kind](namespace, count), count, cap, may_fail=theirs)
        settle()
        return measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)), help="sizes of a burst (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each (default: %(default)s)")
    parser.add_argument("--kinds", default=",".join((*ROUNDS, *STOCK)), help="(default: %(default)s)")
    parser.add_argument(
        "--cap", type=float, default=300, help="seconds for a burst of the stock operator (default: %(default)s)"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was changed is changed back then, too
    progress.start()
    try:
        with paths.lock():
            engine.use()
            bench = Bench(options)
            print(report.HEAD)
            try:
                bench.run()
            finally:  # what was measured before it was stopped is told
                if bench.found:
                    report.write(bench.found, keep=bench.whole)
    except (Stop, Refused) as stop:
        sys.exit(str(stop))


if __name__ == "__main__":
    main()
