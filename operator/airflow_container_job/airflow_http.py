"""One request to Airflow and its answer: how it travels, and what a status code means, in this package's errors.

Used by `airflow_api` alone. The generated client words each request and is kept from sending it: it would do so from
threads, which wait for each other and for the event loop's thread at every turn (docs/decisions/0015). Bodies are never
logged; of a refusal the words are kept, for a status.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from yarl import URL

from airflow_container_job import health, metrics
from airflow_container_job.errors import AirflowDenied, AirflowError, AirflowUnreachable

KEPT_SECONDS: Final = 4.0
"""How long an idle connection is kept: less than the 5 s after which uvicorn, Airflow's server, may close it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the client has worded it, yet to be sent."""

    method: str
    url: str
    headers: dict[str, str]
    body: Any

    @property
    def response(self) -> Request:
        """What the client gives to its caller, who asked it not to read the answer."""
        return self


class Scribe:
    """Takes the place of the client's own transport: notes the request instead of sending it."""

    def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
        post_params: Any = None,
        _request_timeout: Any = None,
    ) -> Request:
        """Note the request."""
        assert not post_params  # noqa: S101 - Airflow's API takes JSON only
        return Request(method, url, headers or {}, body)


class Answer(AirflowError):
    """An answer other than success that means something for the one request only."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"Airflow answered {status}: {detail}")
        self.status = status
        self.detail = detail


class Connections:
    """The connections to Airflow. To be made and used in one event loop."""

    def __init__(self, parallel: int, timeout_seconds: float, proxy: str | None) -> None:
        """`parallel`: requests at once; `timeout_seconds`: how long one may take; `proxy`: its address, if any."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=parallel, keepalive_timeout=KEPT_SECONDS),
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy,
        )

    async def send(self, request: Request, **headers: str) -> tuple[int, bytes]:
        """Send one request; (status, body), or AirflowUnreachable when no whole answer came.

        A redirect is an answer like any other: following it might carry the token elsewhere.
        """
        outcome, began = "unanswered", time.monotonic()
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers={**request.headers, **headers},
                data=None if request.body is None else json.dumps(request.body),
                allow_redirects=False,
            ) as response:
                body = await response.read()
                outcome = _outcome(response.status)
                return response.status, body
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AirflowUnreachable(f"Airflow does not answer: {_why(error)}") from error
        finally:
            health.beat()
            metrics.REQUESTS.labels(request.method, outcome).inc()
            metrics.REQUEST_SECONDS.labels(request.method).observe(time.monotonic() - began)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def judge(status: int, body: bytes) -> Any:
    """Give the JSON of an answer; raises AirflowDenied, AirflowUnreachable, or Answer for any other refusal."""
    if status in (401, 403):
        raise AirflowDenied(f"Airflow answered {status}: {words(body)}; check the operator's account and its rights")
    if 300 <= status < 400:
        raise AirflowUnreachable(
            f"Airflow answered {status}, a redirect; give the address it leads to in ACJ_AIRFLOW_URL"
        )
    if status == 429 or status >= 500:
        raise AirflowUnreachable(f"Airflow answered {status}: {words(body)}")
    if status >= 300:
        raise Answer(status, words(body))
    try:
        return json.loads(body)
    except ValueError as error:
        raise AirflowUnreachable(f"Airflow's answer is not JSON; is this its address? {_first_line(error)}") from error


def _outcome(status: int) -> str:
    """One of `metrics.OUTCOMES`, by the rules of `judge`."""
    if status in (401, 403):
        return "denied"
    if 300 <= status < 400 or status == 429 or status >= 500:
        return "error"
    return "refused" if status >= 400 else "ok"


def words(body: bytes) -> str:
    """The words of an error answer, cut to what fits a status."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body[:500].decode(errors="replace")
    detail = answer.get("detail", answer) if isinstance(answer, dict) else answer
    return (detail if isinstance(detail, str) else json.dumps(detail))[:1000]


def _why(error: Exception) -> str:
    """The cause in a few words: addresses, paths and times in a library's own would make each failure another one."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host name is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return "the connection broke"


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]
