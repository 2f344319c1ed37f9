"""`list`: the jobs as a table, live with `--watch`."""

from __future__ import annotations

from collections.abc import Iterable

import click
from rich.live import Live
from rich.table import Table

from kubectl_acj import options, output
from kubectl_acj.cluster import Change, Cluster
from kubectl_acj.errors import ExitCode
from kubectl_acj.job import Json
from kubectl_acj.watching import Deadline, merged

EXAMPLES = """\b
Examples:
  # The jobs of the namespace
  kubectl acj list

\b
  # Those of all namespaces, live until Ctrl-C
  kubectl acj list -A --watch

\b
  # The names of those that failed
  kubectl acj list -o json | jq -r '.items[] | select(.status.phase == "Failed") | .metadata.name'
"""


@click.command("list", epilog=EXAMPLES, short_help="List jobs, live with --watch.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="The jobs of all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Show changes as they come: live, or in a pipe a row for each.")
@options.form
@options.with_cluster
def list_jobs(cluster: Cluster, *, everywhere: bool, watch: bool, form: str | None) -> ExitCode:
    """List jobs with phase, reason, attempts and exit code."""
    if watch and form:
        raise click.UsageError("--watch shows a table; leave out -o")
    if watch:
        output.end_with_the_reader()
        changes = merged(Deadline(None), lambda: "changes", cluster.follow_jobs(everywhere=everywhere))
        (_live if output.console().is_terminal else _rows)(changes, everywhere=everywhere)
    jobs = cluster.jobs(everywhere=everywhere)
    if form:
        output.dump_list(jobs, form)
    elif jobs:
        output.show(output.table(jobs, output.now(), everywhere=everywhere))
    else:
        output.tell("there are no jobs" + ("" if everywhere else f" in namespace {cluster.namespace}"))
    return ExitCode.DONE


def _live(changes: Iterable[Change], *, everywhere: bool) -> None:
    """Keep one table up to date on a terminal; the ages go on by themselves."""
    jobs: dict[tuple[str, str], Json] = {}

    def table() -> Table:
        # In rich's thread, too, while jobs come and go: sorted() copies the items at once, before it compares them.
        ordered = [job for _, job in sorted(jobs.items(), key=lambda item: item[0])]
        return output.table(ordered, output.now(), everywhere=everywhere)

    with Live(get_renderable=table, console=output.console(), refresh_per_second=2):
        for change in changes:
            meta = change.object["metadata"]
            jobs[meta["namespace"], meta["name"]] = change.object
            if change.deleted:
                del jobs[meta["namespace"], meta["name"]]


def _rows(changes: Iterable[Change], *, everywhere: bool) -> None:
    """Write a row for each version of each job."""
    seen: dict[str, str] = {}
    for number, (job, deleted) in enumerate(changes):
        meta = job["metadata"]
        if seen.get(meta["uid"]) != meta["resourceVersion"] and not deleted:
            seen[meta["uid"]] = meta["resourceVersion"]
            output.show(output.table([job], output.now(), everywhere=everywhere, steady=True, head=not number))
