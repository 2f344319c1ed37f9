"""`python -m bench`: five ways to run the same one-line container, side by side in one run on one machine.

Bursts of 1, 30 and 100, in rounds whose order turns, so that none always meets the warmer machine. The stock operator
runs each size once, and is stopped when its time is up: what was over by then tells its pace. Results: bench/results/.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

from bench import report, stock
from bench.contenders import COMMAND, IMAGE, Api, BareJobs, Burst, ContainerJobs, Runs
from bench.measure import Measured, measure, settle
from dev import engine
from tests.support.cluster import Cluster, Namespace

Maker = Callable[[Namespace, int], Burst]

ROUNDS: Final = ("jobs", "container-jobs", "rest")
STOCK: Final = ("stock", "stock-deferrable")

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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--counts", default="1,30,100", help="sizes of a burst (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each but the stock operator (default: %(default)s)")
    parser.add_argument("--kinds", default=",".join((*ROUNDS, *STOCK)), help="(default: %(default)s)")
    parser.add_argument(
        "--cap", type=float, default=300, help="seconds for a burst of the stock operator (default: %(default)s)"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was changed is changed back then, too
    kinds, counts = options.kinds.split(","), [int(count) for count in options.counts.split(",")]
    engine.use()
    cluster = Cluster.find()
    api = Api(cluster)
    found: list[Measured] = []

    def burst(kind: str, count: int) -> None:
        with cluster.namespace() as namespace:
            if kind in STOCK:
                stock.allow(namespace)
            theirs = kind in STOCK  # of which some fail on a machine that is too slow for their workers
            cap = options.cap if theirs else PATIENCE
            found.append(measure(kind, makers(api)[kind](namespace, count), count, cap, may_fail=theirs))
        print(report.line(found[-1]), flush=True)
        settle()

    print(report.HEAD)
    try:
        for count in counts:
            ours = [kind for kind in ROUNDS if kind in kinds]
            for number in range(options.rounds):
                for kind in ours[number % len(ours) :] + ours[: number % len(ours)]:
                    burst(kind, count)
        theirs = [kind for kind in STOCK if kind in kinds]
        with stock.installed(api, "bench_kpo.py", *stock.DAGS) if theirs else nullcontext():
            for count in counts:
                for kind in theirs:
                    burst(kind, count)
    finally:  # what was measured before it was stopped holds
        if found:
            report.write(found)


if __name__ == "__main__":
    main()
