"""A container's log, line by line into Airflow's task log, while the container runs.

Used by the runner, one copier for each pod. The stream may break at any point and is taken up again: counting the lines
of the last seconds tells which have been copied, so that none is lost and none appears twice. Lines are data: nothing
in them is ever interpreted. The kubelet serves a log's newest file only, so what it rotated away unread is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self

from dynamic_pod.api import Api, ApiError, Backoff
from dynamic_pod.patience import Log

LINE_LIMIT: Final = 64 * 1024
"""Bytes of a line after which it is passed on in pieces; no line can fill the memory."""

LAST_LINES_SECONDS: Final = 30
"""After how long without a new line the end of a log is given up, once its container has ended."""

TURN_SECONDS: Final = 0.01
"""How long one container's lines may keep the event loop, which all pods of a triggerer share."""

DISORDER: Final = 2
"""Seconds by which a line may be stamped before the one above it: standard output and error are stamped apart."""


class Copier:
    """Copies one container's log once, from its beginning to its end."""

    def __init__(self, api: Api, pod: Mapping[str, Any], container: str, log: Log) -> None:
        self._api = api
        self._namespace = pod["metadata"]["namespace"]
        self._name = pod["metadata"]["name"]
        self._container = container
        self._log = log
        self._ended = asyncio.Event()
        self._copied: Counter[int] = Counter()  # lines by the second of their time stamp, of the last seconds
        self._newest = 0.0  # time stamp: what is later is new, even if rotation took lines that are counted here
        self._silence: asyncio.Timeout | None = None  # limits it, once the container has ended
        self._turn = 0.0  # when we last let others have the event loop, by its clock

    @classmethod
    def of_ended(cls, api: Api, pod: Mapping[str, Any], container: str, log: Log) -> Self:
        """For a container that will write no more."""
        copier = cls(api, pod, container, log)
        copier.container_ended()
        return copier

    def container_ended(self) -> None:
        """Tell that no more lines will be written."""
        self._ended.set()

    async def copy(self) -> None:
        """Copy until the container has ended and all of its lines are here."""
        backoff = Backoff()
        while not self._ended.is_set():
            if await self._copy_once(follow=True):
                backoff.reset()
            await self._pause(backoff.seconds())
        try:
            async with asyncio.timeout(LAST_LINES_SECONDS) as self._silence:
                while not await self._copy_once(follow=False):  # noqa: ASYNC110 (a request, no state in memory)
                    await asyncio.sleep(backoff.seconds())
        except TimeoutError:
            self._log.warning("The log above may lack its end: it could not be read to the last line.")

    async def _pause(self, seconds: float) -> None:
        """A stream usually ends a moment before the pod's status says so."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    async def _copy_once(self, *, follow: bool) -> bool:
        """Copy what there is; returns whether nothing was in the way."""
        query = {"container": self._container, "timestamps": "true", "follow": str(follow).lower()}
        since, newest, known = int(self._newest) - DISORDER, self._newest, self._copied.total()
        if known:
            query["sinceTime"] = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            async for stamp, line in self._lines(query):
                written = _instant(stamp)
                if written is None:
                    continue  # the kubelet's own words, that the container's log is gone
                if known and since <= written <= newest:
                    known -= 1  # a file only grows, so these are the lines copied already, in the same order
                else:
                    self._log.info("%s", line.removesuffix(b"\r").decode(errors="replace"))
                    self._remember(written)
                await self._let_others()
        except ApiError as error:
            if self._ended.is_set() and not error.transient:
                self._log.warning("The log could not be read: %s", error)
                return True
            return False
        return True

    def _remember(self, written: float) -> None:
        """Count a line that is copied, and forget those that will not be asked for again."""
        self._newest = max(self._newest, written)
        oldest, second = int(self._newest) - DISORDER, int(written)
        if second not in self._copied:
            self._copied = Counter({one: count for one, count in self._copied.items() if one >= oldest})
        if second >= oldest:
            self._copied[second] += 1
        if self._silence is not None:
            self._silence.reschedule(asyncio.get_running_loop().time() + LAST_LINES_SECONDS)

    async def _let_others(self) -> None:
        """Let everybody else have a turn, if ours was long: reading does not wait while there is something to read."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._turn > TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn = loop.time()

    async def _lines(self, query: Mapping[str, str]) -> AsyncIterator[tuple[str, bytes]]:
        """Lines with the time stamp that the kubelet put before each."""
        splitter = Splitter()
        async for chunk in self._api.read_log(self._namespace, self._name, query):
            for line in splitter.feed(chunk):
                yield line
        if query["follow"] == "false":  # a stream cut within a line is read again, to the line's end
            for line in splitter.rest():
                yield line


def _instant(stamp: str) -> float | None:
    """When a line was written, in seconds since 1970: a node may write its own time. None of what is no time stamp."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return None


class Splitter:
    """Cuts a stream into lines, and lines too long into pieces, the same ones however the stream arrives."""

    def __init__(self) -> None:
        self._rest = b""
        self._stamp: str | None = None  # of the line whose first pieces are out already

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
        """Take the next bytes; gives the lines they complete."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            yield from self._cut(line)
        if len(self._rest) > 2 * LINE_LIMIT:
            *pieces, (_, self._rest) = self._cut(self._rest, complete=False)
            yield from pieces

    def rest(self) -> Iterator[tuple[str, bytes]]:
        """The last line, if it lacks its end."""
        if self._rest:
            yield from self._cut(self._rest)

    def _cut(self, line: bytes, *, complete: bool = True) -> Iterator[tuple[str, bytes]]:
        if self._stamp is None:
            stamp, _, line = line.partition(b" ")
            self._stamp = stamp.decode(errors="replace")
        for start in range(0, max(len(line), 1), LINE_LIMIT):
            yield self._stamp, line[start : start + LINE_LIMIT]
        if complete:
            self._stamp = None
