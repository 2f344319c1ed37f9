"""One JSON object a line, with the job it is about."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from airflow_container_job.logs import JsonFormatter, about
from tests.unit.operator.builders import UID, job, run_id

JOB = {"namespace": "team-a", "name": "hello", "uid": UID, "dag_id": "container_job", "dag_run_id": run_id()}


class Log:
    """A logger and the lines it wrote."""

    def __init__(self, logger: logging.Logger, stream: io.StringIO) -> None:
        self.logger = logger
        self._stream = stream

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("test.logs")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield Log(logger, stream)
    logger.removeHandler(handler)


def test_a_line_says_when_how_serious_and_who(log: Log) -> None:
    log.logger.warning("%d things\nin two lines: ärger", 2)
    (line,) = log.lines
    assert datetime.fromisoformat(line.pop("time")).utcoffset() is not None
    assert line == {"level": "warning", "logger": "test.logs", "message": "2 things\nin two lines: ärger"}


def test_all_that_is_logged_while_a_job_is_looked_at_names_it(log: Log) -> None:
    with about(job(), "container_job"):
        log.logger.info("in")
    log.logger.info("out")
    inside, outside = log.lines
    assert {key: inside[key] for key in JOB} == JOB
    assert not JOB.keys() & outside.keys()


def test_a_job_without_a_decided_run_names_none(log: Log) -> None:
    with about(job(decided=None), "container_job"):
        log.logger.info("in")
    assert "dag_run_id" not in log.lines[0]


def test_an_exception_is_a_field(log: Log) -> None:
    try:
        int("broken")
    except ValueError:
        log.logger.exception("it failed")
    (line,) = log.lines
    assert line["message"] == "it failed"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("invalid literal for int() with base 10: 'broken'")


def test_what_kopf_logs_of_a_resource_names_it_too(log: Log) -> None:
    reference = {"apiVersion": "acj.dev/v1alpha1", "namespace": "team-a", "name": "hello", "uid": UID}
    log.logger.error("a handler failed", extra={"k8s_ref": reference, "k8s_skip": True})
    assert {key: log.lines[0][key] for key in ("namespace", "name", "uid")} == {
        key: JOB[key] for key in ("namespace", "name", "uid")
    }
