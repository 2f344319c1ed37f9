"""`stop` and `rerun`: the resource's own words for them, set in its spec (docs/decisions/0008)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from kubectl_acj import job as resource
from kubectl_acj import options, output
from kubectl_acj.cluster import Cluster
from kubectl_acj.errors import ExitCode
from kubectl_acj.job import Json

STOP_EXAMPLES = """\b
Examples:
  # End it for good
  kubectl acj stop hello

\b
  # End all jobs of a namespace
  kubectl acj list -o name | xargs kubectl acj stop
"""

RERUN_EXAMPLES = """\b
Examples:
  # Run it again, and see the log
  kubectl acj rerun hello && kubectl acj logs -f hello

\b
  # Run it again, and let the resource tell why
  kubectl acj rerun hello --text=release-42
"""


@click.command(epilog=STOP_EXAMPLES, short_help="End jobs for good.")
@options.job_names
@options.form
@options.with_cluster
def stop(cluster: Cluster, names: tuple[str, ...], *, form: str | None) -> ExitCode:
    """End jobs: their DagRuns and pods are stopped, and they are Failed for the reason Stopped.

    Sets spec.shutdown to Stop, and does not wait. What is over already is left as it is.
    """

    def end(job: Json) -> Json:
        return job if resource.over(job) else cluster.change(job["metadata"]["name"], {"shutdown": "Stop"})

    def done(job: Json) -> str:
        return f"is over already, {resource.state(job)}" if resource.over(job) else "is being stopped"

    return _for_each(cluster, names, form, end, done)


@click.command(epilog=RERUN_EXAMPLES, short_help="Run jobs again.")
@options.job_names
@click.option("--text", help="What to set spec.rerun to: any text it does not hold yet; the time unless said.")
@options.form
@options.with_cluster
def rerun(cluster: Cluster, names: tuple[str, ...], *, text: str | None, form: str | None) -> ExitCode:
    """Run jobs again as they are; what still runs of them is stopped first.

    Sets spec.rerun to a new text, removes spec.shutdown, and does not wait. A suspended job runs when it is resumed.
    """
    text = text or output.now().isoformat()

    def again(job: Json) -> Json:
        name = job["metadata"]["name"]
        if job["spec"].get("rerun") == text:
            raise click.BadParameter(f'{name} has "{text}" in spec.rerun already; a new text is what runs it again')
        return cluster.change(name, {"rerun": text, "shutdown": None})

    def done(job: Json) -> str:
        return "runs again once it is resumed" if job["spec"].get("suspend") else "runs again"

    return _for_each(cluster, names, form, again, done)


def _for_each(
    cluster: Cluster,
    names: tuple[str, ...],
    form: str | None,
    change: Callable[[Json], Any],
    done: Callable[[Json], str],
) -> ExitCode:
    output.report([change(cluster.job(name)) for name in names], form, done)
    return ExitCode.DONE
