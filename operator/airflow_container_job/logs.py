"""Logs as one JSON object a line, with the job they are about.

`about` names the job for as long as it is looked at: all that is logged meanwhile carries it, whoever logs, libraries
included. Outside of that, a record's `k8s_ref` names a resource, as kopf has it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from airflow_container_job.job import Job

_subject: Final[ContextVar[dict[str, str]]] = ContextVar("subject")


@contextmanager
def about(job: Job, dag_id: str) -> Iterator[None]:
    """Name this job, and its decided run, in all that is logged in the block."""
    subject = {"namespace": job.namespace, "name": job.name, "uid": job.uid, "dag_id": dag_id}
    if job.decision is not None:
        subject["dag_run_id"] = job.decision.dag_run_id
    token = _subject.set(subject)
    try:
        yield
    finally:
        _subject.reset(token)


class JsonFormatter(logging.Formatter):
    """One line, whatever the message holds: time (RFC 3339, UTC), level, logger, message, the job, the exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (reference := getattr(record, "k8s_ref", None)) is not None:
            line |= {key: reference[key] for key in ("namespace", "name", "uid") if reference.get(key)}
        line |= _subject.get({})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure() -> None:
    """Log everything from level INFO on to standard error, but what would be a line for each event or each probe."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for chatty in ("kopf.objects", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
