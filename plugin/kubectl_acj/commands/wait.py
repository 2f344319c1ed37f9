"""`wait`: until jobs are over, run, or are suspended."""

from __future__ import annotations

import click

from kubectl_acj import job as resource
from kubectl_acj import options, output
from kubectl_acj.cluster import Cluster
from kubectl_acj.errors import ExitCode
from kubectl_acj.watching import Deadline, wait

EXAMPLES = """\b
Examples:
  # Until it is over: 0 if it succeeded, 1 if it failed
  kubectl acj wait hello

\b
  # Until all are over, ten minutes at most: 3 if that is not enough
  kubectl acj wait hello wordcount --timeout=10m

\b
  # Until its container runs
  kubectl acj wait hello --for=running
"""


@click.command("wait", epilog=EXAMPLES, short_help="Wait until jobs are over, or run.")
@options.job_names
@click.option(
    "--for",
    "goal",
    type=click.Choice(list(resource.GOALS), case_sensitive=False),
    default="finished",
    show_default=True,
    help="What to wait for: an end of either kind, a container that runs or has run, a suspended job at rest.",
)
@options.timeout
@options.form
@options.with_cluster
def wait_for(
    cluster: Cluster, names: tuple[str, ...], *, goal: str, timeout: float | None, form: str | None
) -> ExitCode:
    """Wait until jobs have come so far, in all their current runs.

    A spec that was changed just before is waited for too: the end of an earlier run does not count. The exit code is 0
    when all have succeeded (or, with --for, have come there), 1 when one has failed (or ended before it came there)
    and 3 when the time of --timeout was over.
    """
    reached, deadline = resource.GOALS[goal], Deadline(timeout)
    jobs = wait(cluster, names, reached, deadline, goal)
    output.report(jobs, form, resource.state)
    good = resource.succeeded if goal == "finished" else reached
    return ExitCode.DONE if all(map(good, jobs)) else ExitCode.FAILED
