"""`describe`: how a job stands, and its story in time order."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC
from typing import TypeVar

import click
from rich.text import Text

from kubectl_acj import job as resource
from kubectl_acj import options, output, story
from kubectl_acj.airflow import URL, Airflow
from kubectl_acj.cluster import Cluster
from kubectl_acj.errors import ExitCode, PluginError
from kubectl_acj.job import Json

Found = TypeVar("Found")

EXAMPLES = """\b
Examples:
  # What has happened to it, and when
  kubectl acj describe hello
"""

FIELDS = {
    "DagRun": "dagRunId",
    "DagRun state": "dagRunState",
    "Airflow": "dagRunUrl",
    "Pod": "podName",
    "Attempt": "attempt",
    "Exit code": "exitCode",
    "Message": "message",
}
"""Title -> field of the status that stands there as it is."""


@click.command(epilog=EXAMPLES, short_help="Tell the story of a job.")
@options.job_name
@options.with_cluster
def describe(cluster: Cluster, name: str) -> ExitCode:
    """Tell how a job stands, and its story in time order: resource, conditions, DagRun, pods and events.

    The DagRun's times are Airflow's, as far as the environment says how to reach it (see kubectl acj logs --help).
    """
    job = cluster.job(name)
    missing: list[str] = []
    pods = _if_allowed(lambda: cluster.pods(job), missing) or []
    events = _if_allowed(cluster.events, missing) or []
    run = _if_allowed(lambda: _dag_run(job), missing) or {}
    head = output.plain_table(["", ""], head=False)
    for title, text in _head(job):
        colour = output.COLOURS.get(text, "") if title == "Phase" else ""
        head.add_row(f"{title}:", Text(output.printable(text), colour))
    output.show(head)
    output.say("")
    table = output.plain_table(["TIME", "SOURCE", "WHAT"])
    for entry in story.tell(job, pods, events, run):
        time = entry.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        table.add_row(time, entry.source, Text(output.printable(entry.text)))
    output.show(table)
    for sentence in missing:
        output.tell(f"not all is told: {sentence}")
    return ExitCode.DONE


def _head(job: Json) -> Iterator[tuple[str, str]]:
    meta, spec, status = job["metadata"], job["spec"], job.get("status") or {}
    yield "Name", meta["name"]
    yield "Namespace", meta["namespace"]
    yield "Phase", status.get("phase", "")
    yield "Reason", status.get("reason", "")
    if status and not resource.status(job):
        yield "Note", "the spec has changed, and the operator has not seen it yet"
    yield from ((title, spec[field]) for title, field in (("Image", "image"), ("DAG", "dagId")) if field in spec)
    yield from ((title, str(status[field])) for title, field in FIELDS.items() if field in status)
    if "result" in status:
        yield "Result", json.dumps(status["result"], ensure_ascii=False)


def _dag_run(job: Json) -> Json:
    status = job.get("status") or {}
    if "dagRunUrl" not in status:
        return {}
    if not Airflow.configured(os.environ):
        raise PluginError(f"{URL} is not set, so the DagRun's times are missing")
    return Airflow.connect(os.environ).run(status["dagId"], status["dagRunId"])


def _if_allowed(read: Callable[[], Found], missing: list[str]) -> Found | None:
    """Read what belongs to the story but is not the story itself; where it cannot be read, note why."""
    try:
        return read()
    except PluginError as error:
        missing.append(error.message)
        return None
