"""The entrance: `kubectl acj`, its verbs, and the exit code of whatever happens. kubectl finds it as `kubectl-acj`."""

from __future__ import annotations

import signal
import sys
import traceback
from types import FrameType
from typing import NoReturn

import click

from kubectl_acj import options, output
from kubectl_acj.commands.change import rerun, stop
from kubectl_acj.commands.describe import describe
from kubectl_acj.commands.list import list_jobs
from kubectl_acj.commands.logs import logs
from kubectl_acj.commands.open import open_run
from kubectl_acj.commands.run import run
from kubectl_acj.commands.wait import wait_for
from kubectl_acj.errors import ExitCode, PluginError

PROGRAM = "kubectl acj"

CODES = """\b
Exit codes:
  0    done; with run and wait: the job succeeded
  1    run and wait: the job failed
  2    wrong usage
  3    the time of --timeout was over
  4    the cluster or Airflow refuses, does not answer, or has no such job; or any other error
  129  ended by SIGHUP, as when its terminal is closed
  130  interrupted with Ctrl-C
  141  logs and list --watch: nobody reads standard output any more
  143  ended by SIGTERM, as by the command timeout
"""


@click.group(epilog=CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="airflow-container-job", message="%(version)s")
@options.which_cluster
def cli(**_: str | None) -> None:
    """AirflowContainerJobs: containers that Apache Airflow runs, one resource each.

    The cluster is found as kubectl finds it. Each verb has examples: kubectl acj run --help.
    """


for command in (run, logs, wait_for, stop, rerun, list_jobs, describe, open_run):
    cli.add_command(command)


def main() -> NoReturn:
    """Do what the command line says, and exit with its code."""
    _end_in_order()
    try:
        code = cli.main(prog_name=PROGRAM, standalone_mode=False)
    except click.Abort:
        code = ExitCode.INTERRUPTED
    except PluginError as error:  # which may hold words of others
        output.tell(f"Error: {error.message}")
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception:  # noqa: BLE001 - Python's own exit code would be that of a job that failed
        output.tell(traceback.format_exc().rstrip())
        code = ExitCode.REFUSED
    sys.exit(code)


def _end_in_order() -> None:
    """At a signal that asks us to end, leave as at an error: `run --rm` has a job to delete then."""
    present = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    asking = [number for number in present if signal.getsignal(number) is not signal.SIG_IGN]  # as nohup sets it

    def leave(number: int, _: FrameType | None) -> NoReturn:
        for each in asking:  # a closed terminal may send more than one, which must not break the deletion off
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in asking:
        signal.signal(number, leave)
