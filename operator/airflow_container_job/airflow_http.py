"""One request to Airflow and its answer: what a status code means, in this package's errors.

Used by `airflow_api` alone, in its threads. Bodies are never logged; of a refusal the words are kept, for a status.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import urllib3

from airflow_container_job.errors import AirflowDenied, AirflowError, AirflowUnreachable


class Answer(AirflowError):
    """An answer other than success that means something for the one request only."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"Airflow answered {status}: {detail}")
        self.status = status
        self.detail = detail


def send(method: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[int, bytes]:
    """Send one request; (status, body), or AirflowUnreachable when no whole answer came."""
    try:
        response = method(*args, **kwargs)
        raw = getattr(response, "response", response)
        return raw.status, raw.data
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise AirflowUnreachable(f"Airflow does not answer: {_why(error)}") from error


def judge(status: int, body: bytes) -> Any:
    """Give the JSON of an answer; raises AirflowDenied, AirflowUnreachable, or Answer for any other refusal."""
    if status in (401, 403):
        raise AirflowDenied(f"Airflow answered {status}: {_detail(body)}; check the operator's account and its rights")
    if status == 429 or status >= 500:
        raise AirflowUnreachable(f"Airflow answered {status}: {_detail(body)}")
    if status >= 300:
        raise Answer(status, _detail(body))
    try:
        return json.loads(body)
    except ValueError as error:
        raise AirflowUnreachable(f"Airflow's answer is not JSON; is this its address? {_first_line(error)}") from error


def _detail(body: bytes) -> str:
    """The words of an error answer, cut to what fits a status."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body[:500].decode(errors="replace")
    detail = answer.get("detail", answer) if isinstance(answer, dict) else answer
    return (detail if isinstance(detail, str) else json.dumps(detail))[:1000]


def _why(error: Exception) -> str:
    """The cause in a few words: addresses, paths and times in urllib3's own would make each failure another one."""
    cause = getattr(error, "reason", None) or error
    return _first_line(cause).rpartition(": ")[2].partition(" (")[0]


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]
