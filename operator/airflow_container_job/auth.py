"""The operator's account in Airflow: credentials from files, a token from Airflow, a new one when that may help.

Used by `airflow_api`. The files are read at each login, so a rotated Secret needs no restart. Neither
the password nor the token is ever logged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from airflow_container_job.errors import AirflowDenied

YOUNG_SECONDS: Final = 60.0
"""How long what a token allows is what a new one would allow."""

FOREIGN: Final = b"Invalid JWT token"
"""In Airflow's answer 403 to a token that it has not signed, or not with the key it has now."""


class Credentials:
    """User name and password from a mounted Secret, and the token they were exchanged for."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._since = 0.0

    async def token(self, login: Callable[[str, str], Awaitable[str]], refused: str | None = None) -> str:
        """Hand out the token; one that Airflow refused is renewed, once for all requests that saw it refused."""
        async with self._lock:
            if self._token is None or self._token == refused:
                self._token = await login(self._read("username"), self._read("password"))
                self._since = self._clock()
            return self._token

    def may_be_stale(self, token: str, status: int, body: bytes) -> bool:
        """Whether a new token may be answered otherwise than this one was.

        401 is for the token. 403 is for the account, mostly: a DAG it may not run is asked for again and again. Yet
        what an account may do can stand in its token.
        """
        if status != 403:
            return status == 401
        return FOREIGN in body or token != self._token or self._clock() - self._since > YOUNG_SECONDS

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text().strip()
        except OSError as error:
            raise AirflowDenied(
                f"the credentials for Airflow cannot be read ({error}); mount the Secret at ACJ_AIRFLOW_CREDENTIALS"
            ) from error
