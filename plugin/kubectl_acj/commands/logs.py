"""`logs`: from the pods as long as they are there, then from Airflow."""

from __future__ import annotations

import os

import click

from dynamic_pod import contract
from kubectl_acj import airflow, options, output
from kubectl_acj import job as resource
from kubectl_acj.airflow import Airflow
from kubectl_acj.cluster import Cluster
from kubectl_acj.errors import ExitCode, PluginError
from kubectl_acj.job import Json
from kubectl_acj.streaming import follow as follow_pods
from kubectl_acj.streaming import names_of, show
from kubectl_acj.watching import Deadline

HELP = f"""Show what the containers of a job's current run have written.

While its pods are there, the log comes from them, as with kubectl logs. A job's pod is deleted once it has ended,
unless spec.podRetention says otherwise; then the log is Airflow's, which holds what Airflow says about the run too.
For that, set {airflow.URL}, and {airflow.ACCOUNT}.

The exit code is 0 when the log was shown, however the job has ended, and 141 when nobody reads it any more.
"""

EXAMPLES = """\b
Examples:
  # What it has said until now, or had said when it ended
  kubectl acj logs hello

\b
  # See it as it comes, until the job is over
  kubectl acj logs -f hello

\b
  # Wait for a line of it
  kubectl acj logs -f hello | grep -m1 READY
"""


@click.command(help=HELP, epilog=EXAMPLES, short_help="Show a job's log, from its pod or from Airflow.")
@options.job_name
@click.option("-f", "--follow", is_flag=True, help="Go on until the job is over.")
@options.with_cluster
def logs(cluster: Cluster, name: str, *, follow: bool) -> ExitCode:
    """See HELP, which names the variables of the environment."""
    output.end_with_the_reader()
    job = cluster.job(name)
    if resource.over(job):
        _show_ended(cluster, job)
    elif follow:
        job, shown = follow_pods(cluster, name, Deadline(None))
        show_missing(cluster, job, shown)
    else:
        _show_until_now(cluster, job)
    return ExitCode.DONE


def show_missing(cluster: Cluster, job: Json, shown: set[str]) -> None:
    """After the logs of these pods were followed to the end: show all, if that was not all. Raises PluginError."""
    if not shown or not _attempts(job) <= shown:
        _show_ended(cluster, job)


def _show_ended(cluster: Cluster, job: Json) -> None:
    """Show the whole log of a run that is over."""
    pods = {pod["metadata"]["name"]: pod for pod in cluster.pods(job)}
    names = names_of(job, pods.values())
    if names and _attempts(job) <= set(names):
        for name in names:
            show(cluster, job, name, follow=False)
    else:
        _show_airflows(job)


def _show_until_now(cluster: Cluster, job: Json) -> None:
    pods = {pod["metadata"]["name"]: pod for pod in cluster.pods(job)}
    names = [name for name in names_of(job, pods.values()) if resource.started(pods[name], contract.CONTAINER)]
    if not names:
        raise PluginError(f"no container of {job['metadata']['name']} runs: {resource.state(job)}")
    for name in names:
        show(cluster, job, name, follow=False)


def _show_airflows(job: Json) -> None:
    name, status = job["metadata"]["name"], resource.status(job)
    if "dagRunUrl" not in status:
        raise PluginError(f"{name} has no log, as it never had a DagRun: {resource.state(job)}")
    if not Airflow.configured(os.environ):
        raise PluginError(
            f"the pod of {name} is gone; its log is in Airflow, {status['dagRunUrl']}; "
            f"to see it here, set {airflow.URL}, and {airflow.ACCOUNT}"
        )
    source = Airflow.connect(os.environ)
    tasks = source.tasks(status["dagId"], status["dagRunId"])
    for task in tasks:
        prefix = f"[{task}] " if len(tasks) > 1 else ""
        for line in source.log(status["dagId"], status["dagRunId"], task):
            output.raw(f"{prefix}{line}\n".encode())


def _attempts(job: Json) -> set[str]:
    """The pods that the status knows of, in the current run."""
    return {one["podName"] for one in resource.status(job).get("attempts", ()) if "podName" in one}
