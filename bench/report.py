"""What a run of `bench` says: lines as it goes, tables and plots at its end, and which aims it reaches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Final

from bench import plots, results
from bench.figures import Spread, ratio
from bench.measure import AFTERWARDS, Measured
from bench.processes import DRIVER, MACHINE

NAMES: Final = {
    "jobs": "bare Kubernetes Jobs",
    "container-jobs": "AirflowContainerJobs",
    "rest": "DagRuns through REST",
    "stock": "KubernetesPodOperator",
    "stock-deferrable": "KubernetesPodOperator, deferrable",
}

HEAD: Final = f"{'kind':<18} {'at once':>7} {'over':>5} {'wall s':>8} {'CPU s':>8}  requests, writes per job"
OURS: Final = "container-jobs"
REST: Final = "rest of the machine"


def line(one: Measured) -> str:
    """A burst in a line."""
    written = one.writes["operator"]
    per_job = f"{sum(one.requests.values()) / one.count:.2f}, {sum(written.values()) / one.count:.2f}"
    return f"{one.kind:<18} {one.count:>7} {one.over:>5} {one.wall:>8.1f} {one.used:>8.1f}  {per_job}"


class Run:
    """All bursts of one run."""

    def __init__(self, found: Sequence[Measured]) -> None:
        self.found = found
        self.counts = sorted({one.count for one in found})
        self.kinds = [kind for kind in NAMES if any(one.kind == kind for one in found)]

    def of(self, kind: str, count: int) -> list[Measured]:
        return [one for one in self.found if (one.kind, one.count) == (kind, count)]

    def ratio(self, kind: str, base: str, count: int, what: Callable[[Measured], float]) -> Spread | None:
        """Compare two kinds; with the CPU or the wall time of bursts that were cut, a lower bound."""
        ours, theirs = self.of(kind, count), self.of(base, count)
        if not ours or not theirs:
            return None
        return ratio([what(one) for one in ours], [what(one) for one in theirs], bound=not all(o.whole for o in ours))

    def times_faster(self, base: str, count: int) -> Spread | None:
        """AirflowContainerJobs per second, times those of the other kind in the time that it had."""
        ours, theirs = self.of(OURS, count), self.of(base, count)
        if not ours or not theirs:
            return None
        none_over = any(one.over == 0 for one in theirs)
        return ratio([pace(one) for one in ours], [pace(one) for one in theirs], bound=none_over)

    @property
    def idle_requests(self) -> float:
        """Requests per second that the operator sends to Airflow anyway, from bursts without AirflowContainerJobs."""
        some = [one for one in self.found if one.kind == "jobs"]
        return sum(sum(one.requests.values()) for one in some) / sum(map(counted, some)) if some else 0.0

    def requests_per_job(self, count: int) -> Spread | None:
        """What a job adds to them."""
        some = self.of(OURS, count)
        idle = self.idle_requests
        added = [(sum(one.requests.values()) - idle * counted(one)) / count for one in some]
        return Spread.of(added) if some else None


def wall(one: Measured) -> float:
    return one.wall


def counted(one: Measured) -> float:
    """Seconds over which a burst's requests were counted."""
    return one.wall + AFTERWARDS


def pace(one: Measured) -> float:
    """Jobs per second until all were over or the time was up; one of which none was over counts as one job."""
    return max(one.over, 1) / one.wall


def cpu(one: Measured) -> float:
    return one.used


def write(found: Sequence[Measured], *, keep: bool) -> None:
    """Print what the run says, and keep it: a run of all ways and sizes takes the place of the last one."""
    run = Run(found)
    tables = [_times(run), _components(run), _per_job(run), _aims(run)]
    print("", *tables, sep="\n\n")
    if not keep:
        return
    for count in run.counts:
        bars = {NAMES[kind]: _typical(run.of(kind, count)) for kind in run.kinds if run.of(kind, count)}
        plots.bars(f"bench-cpu-{count}", f"{count} at once: CPU seconds by component", "CPU seconds", bars)
        walls = {
            NAMES[kind]: {"wall": median(map(wall, run.of(kind, count)))} for kind in run.kinds if run.of(kind, count)
        }
        plots.bars(f"bench-wall-{count}", f"{count} at once: until all are over", "seconds", walls)
    at, on = results.now(), results.machine()
    about = f"The same container, run in five ways, {at}"
    results.save("bench", about, [{"measured": at, "machine": on, **asdict(one)} for one in found], tables, [on])


def _times(run: Run) -> str:
    rows = []
    for count in run.counts:
        for kind in run.kinds:
            some = run.of(kind, count)
            if not some:  # the run was stopped before
                continue
            over = min(one.over for one in some)
            rows.append(
                [
                    NAMES[kind] if over == count else f"{NAMES[kind]}: {over} of {count} ended well in its time",
                    count,
                    len(some),
                    f"{median(map(wall, some)):.1f}",
                    run.ratio(kind, "jobs", count, wall) or "",
                    f"{median(map(cpu, some)):.0f}",
                    run.ratio(kind, "jobs", count, cpu) or "",
                ]
            )
    return results.table(
        ["way", "at once", "rounds", "wall s", "times bare Jobs", "CPU s, whole machine", "times bare Jobs"], rows
    )


def _typical(some: Sequence[Measured]) -> dict[str, float]:
    """CPU seconds by component of the burst in the middle; what no component is known for is the rest."""
    one = sorted(some, key=cpu)[len(some) // 2]
    named = {part: used for part, used in one.cpu.items() if part not in {MACHINE, DRIVER} and used >= 0.05}
    return named | {REST: round(one.used - sum(named.values()), 1)}


def _components(run: Run) -> str:
    count = max(run.counts)
    columns = [kind for kind in run.kinds if run.of(kind, count)]
    used = {kind: _typical(run.of(kind, count)) for kind in columns}
    memory = {kind: sorted(run.of(kind, count), key=cpu)[len(run.of(kind, count)) // 2].memory for kind in columns}
    parts = sorted({part for parts in used.values() for part in parts})
    rows = [[part, *(_used(used[kind].get(part), memory[kind].get(part)) for kind in columns)] for part in parts]
    return f"CPU and highest memory by component, {count} at once:\n\n" + results.table(
        ["component", *(NAMES[kind] for kind in columns)], rows
    )


def _used(seconds: float | None, megabytes: float | None) -> str:
    known = ((seconds, ".1f", "s"), (megabytes, ".0f", "MB"))
    return ", ".join(f"{value:{digits}} {unit}" for value, digits, unit in known if value is not None)


def _per_job(run: Run) -> str:
    rows = []
    for count in run.counts:
        some = run.of(OURS, count)
        if some:
            asked = Spread.of([sum(one.requests.values()) / count for one in some])
            written = Spread.of([sum(one.writes["operator"].values()) / count for one in some])
            airflow = Spread.of([sum(one.writes["airflow"].values()) / count for one in some])
            rows.append([count, asked, run.requests_per_job(count), written, airflow])
    head = [
        "at once",
        "operator: requests to Airflow",
        f"beyond the {60 * run.idle_requests:.1f} a minute that it sends anyway",
        "operator: writes to Kubernetes",
        "Airflow: writes to Kubernetes",
    ]
    return "Per AirflowContainerJob:\n\n" + results.table(head, rows)


def _aims(run: Run) -> str:
    rows: list[list[object]] = []

    def judge(aim: str, value: Spread | None, limit: float, *, least: bool = False) -> None:
        wanted = f"{'≥' if least else '≤'} {limit}"
        if value is None:
            rows.append([aim, wanted, "not measured", ""])
            return
        reached = value.middle >= limit if least else value.middle <= limit
        rows.append([aim, wanted, value, "yes" if reached else "no"])

    judge("one job alone, wall time, times a bare Job", run.ratio(OURS, "jobs", 1, wall), 1.6)
    for count in (30, 100):
        judge(f"{count} at once, wall time, times bare Jobs", run.ratio(OURS, "jobs", count, wall), 1.3)
        judge(f"{count} at once, CPU, times bare Jobs", run.ratio(OURS, "jobs", count, cpu), 1.5)
    for stock, times in (("stock", 15), ("stock-deferrable", 30)):
        faster = run.times_faster(stock, 30)
        judge(f"30 at once, jobs per second, times those of {NAMES[stock]}", faster, times, least=True)
    for count in run.counts:
        judge(f"requests to Airflow that a job adds, {count} at once", run.requests_per_job(count), 2.5)
        if some := run.of(OURS, count):
            written = Spread.of([sum(one.writes["operator"].values()) / count for one in some])
            judge(f"writes of the operator per job, {count} at once", written, 5)
    return "Aims:\n\n" + results.table(["aim", "wanted", "measured", "reached"], rows)
