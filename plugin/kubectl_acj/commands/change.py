"""`stop` and `rerun`: the resource's own words for them, set in its spec (docs/decisions/0008)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import click

from kubectl_acj import job as resource
from kubectl_acj import options, output
from kubectl_acj.cluster import Cluster
from kubectl_acj.errors import ExitCode, PluginError
from kubectl_acj.job import Json

Subject = TypeVar("Subject")

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

    Sets spec.shutdown to Stop, and does not wait. What is over already is left as it is. What cannot be done for one
    job does not keep the others from it; the exit code tells of it.
    """

    def end(name: str) -> Json:
        job = cluster.job(name)
        return job if resource.over(job) else cluster.change(name, {"shutdown": "Stop"})

    def done(job: Json) -> str:
        return f"is over already, {resource.state(job)}" if resource.over(job) else "is being stopped"

    changed, code = _for_each(names, end)
    return _report(changed, form, done, code)


@click.command(epilog=RERUN_EXAMPLES, short_help="Run jobs again.")
@options.job_names
@click.option("--text", help="What to set spec.rerun to: any text it does not hold yet; the time unless said.")
@options.form
@options.with_cluster
def rerun(cluster: Cluster, names: tuple[str, ...], *, text: str | None, form: str | None) -> ExitCode:
    """Run jobs again as they are; what still runs of them is stopped first.

    Sets spec.rerun to a new text, removes spec.shutdown, and does not wait. A suspended job runs when it is resumed.
    What cannot be done for one job does not keep the others from it; the exit code tells of it.
    """
    text = text or output.now().isoformat()

    def again(job: Json) -> Json:
        return cluster.change(job["metadata"]["name"], {"rerun": text, "shutdown": None})

    def done(job: Json) -> str:
        return "runs again once it is resumed" if job["spec"].get("suspend") else "runs again"

    found, unread = _for_each(names, cluster.job)
    for job in found:  # all of them before any is changed
        if job["spec"].get("rerun") == text:
            name = job["metadata"]["name"]
            raise click.BadParameter(f'{name} has "{text}" in spec.rerun already; a new text is what runs it again')
    changed, refused = _for_each(found, again)
    return _report(changed, form, done, refused or unread)


def _for_each(subjects: Iterable[Subject], do: Callable[[Subject], Json]) -> tuple[list[Json], ExitCode]:
    """The jobs for which it could be done, and the exit code of the last error; all errors are told."""
    jobs, code = [], ExitCode.DONE
    for subject in subjects:
        try:
            jobs.append(do(subject))
        except PluginError as error:
            output.tell(f"Error: {error.message}")
            code = error.exit_code
    return jobs, code


def _report(changed: list[Json], form: str | None, done: Callable[[Json], str], code: ExitCode) -> ExitCode:
    """Write what became of the jobs, if of any; `code` as it is."""
    if changed:
        output.report(changed, form, done)
    return code
