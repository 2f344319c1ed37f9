"""Finds the resources that went without a word: kopf tells of none that is deleted while its watch is broken.

What is remembered of such a one would stay for good, and the echo of a last write to it would never come. Whoever's
echo is late is asked for, and once an hour all that are known are compared with those there are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from airflow_container_job import health
from airflow_container_job.clock import loop_time
from airflow_container_job.cluster_api import ClusterApi
from airflow_container_job.echo import Echo
from airflow_container_job.errors import ClusterError
from airflow_container_job.memory import Memory

ROUND_SECONDS: Final = 30.0
"""Between two looks at the echoes."""

COMPARE_SECONDS: Final = 3600.0
"""Between two comparisons with all resources there are."""

log = logging.getLogger(__name__)


class Census:
    """Asks the API server which of the resources that are known are still there."""

    def __init__(self, cluster: ClusterApi, memory: Memory, echo: Echo, namespaces: Sequence[str | None]) -> None:
        """`namespaces`: those that are served; None stands for all."""
        self._cluster = cluster
        self._memory = memory
        self._echo = echo
        self._namespaces = namespaces

    async def run(self) -> None:
        """Ask, for ever."""
        compare_at = loop_time() + COMPARE_SECONDS
        while True:
            health.beat()
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self._ask_for_the_doubtful()
                if loop_time() >= compare_at:
                    await self._compare_all()
                    compare_at = loop_time() + COMPARE_SECONDS
            except ClusterError as error:
                log.warning("It cannot be asked which resources there are: %s", error)

    async def _ask_for_the_doubtful(self) -> None:
        for uid in self._echo.doubtful():
            health.beat()
            known = self._memory.find(uid)
            if known is None or known.job is None or not await self._cluster.has_job(known.job):
                self._forget(uid)

    async def _compare_all(self) -> None:
        known = {job.uid for job in self._memory.jobs()}  # before it is asked: whoever comes later may be missing there
        for namespace in self._namespaces:
            health.beat()
            known -= await self._cluster.uids(namespace)
        for uid in known:
            self._forget(uid)

    def _forget(self, uid: str) -> None:
        log.info("Resource %s is gone, and its watch has not told of it", uid)
        self._echo.forget(uid)
        self._memory.job_gone(uid)
