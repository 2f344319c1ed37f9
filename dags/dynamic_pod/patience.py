"""The one place that retries: waiting while the API server is away, and saying so once in the task's log.

Used by the runner for every request whose failure another moment may mend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from dynamic_pod.api import ApiError, Backoff

T = TypeVar("T")


class Log(Protocol):
    """Airflow's logger, in a triggerer or in a worker."""

    def info(self, message: str, /, *args: Any) -> Any:
        """Log a message with arguments."""

    def warning(self, message: str, /, *args: Any) -> Any:
        """Log a warning with arguments."""


class Patience:
    """Waits, and tells each trouble once."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told: set[str] = set()

    async def until_answered(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a request until it is answered; raises the ApiError that waiting will not mend."""
        backoff = Backoff()
        while True:
            try:
                return await call()
            except ApiError as error:
                if not error.transient:
                    raise
                self.tell_once(str(error.status), f"Waiting for the API server: {error}")
            await asyncio.sleep(backoff.seconds())

    def tell_once(self, what: str, message: str) -> bool:
        """Log the message, unless one about the same has been logged; returns whether it was."""
        if what in self._told:
            return False
        self._told.add(what)
        self._log.info("%s", message)
        return True
