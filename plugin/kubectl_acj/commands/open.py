"""`open`: the job's run in Airflow's UI."""

from __future__ import annotations

import sys

import click

from kubectl_acj import job as resource
from kubectl_acj import options, output
from kubectl_acj.cluster import Cluster
from kubectl_acj.errors import ExitCode, PluginError

EXAMPLES = """\b
Examples:
  # Open the run in a browser
  kubectl acj open hello

\b
  # Only write its address
  kubectl acj open hello --print
"""


@click.command("open", epilog=EXAMPLES, short_help="Open a job's run in Airflow.")
@options.job_name
@click.option("--print", "only_print", is_flag=True, help="Only write the address, as is done in a pipe.")
@options.with_cluster
def open_run(cluster: Cluster, name: str, *, only_print: bool) -> ExitCode:
    """Write the address of a job's DagRun in Airflow, and on a terminal open it in a browser."""
    job = cluster.job(name)
    address = resource.status(job).get("dagRunUrl", "")
    if not address:
        raise PluginError(f"{name} has no DagRun: {resource.state(job)}")
    if not address.startswith(("http://", "https://")) or not address.isprintable():
        raise PluginError(f"the status of {name} holds no address of a web page in dagRunUrl")
    output.say(address)
    if sys.stdout.isatty() and not only_print:
        click.launch(address)
    return ExitCode.DONE
