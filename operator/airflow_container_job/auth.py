"""The operator's account in Airflow: credentials from files, a token from Airflow, a new one when that is refused.

Used by `airflow_api`. The files are read at each login, so a rotated Secret needs no restart. Neither
the password nor the token is ever logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from airflow_container_job.errors import AirflowDenied


class Credentials:
    """User name and password from a mounted Secret, and the token they were exchanged for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = asyncio.Lock()
        self._token: str | None = None

    async def token(self, login: Callable[[str, str], Awaitable[str]], refused: str | None = None) -> str:
        """Hand out the token; one that Airflow refused is renewed, once for all requests that saw it refused."""
        async with self._lock:
            if self._token is None or self._token == refused:
                self._token = await login(self._read("username"), self._read("password"))
            return self._token

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text().strip()
        except OSError as error:
            raise AirflowDenied(
                f"the credentials for Airflow cannot be read ({error}); mount the Secret at ACJ_AIRFLOW_CREDENTIALS"
            ) from error
