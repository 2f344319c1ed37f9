"""A queue of keys to look at: a key waits in it once, and is worked on by one worker at a time.

What Go's controllers know as a work queue: an event, however many of them, means one look at the newest state.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools


class WorkQueue:
    """Keys waiting for a look, in lanes: first all of the lane without a name, then one of each other lane in turn.

    In a lane by rank, those of one rank in the order of their first event. For one event loop.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, list[tuple[int, int, str]]] = {}
        """In the order in which they are served next."""
        self._numbers = itertools.count()
        self._dirty: dict[str, tuple[str, int]] = {}
        self._working: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._available = asyncio.Event()
        self._closed = False
        self._idle = asyncio.Event()

    def __len__(self) -> int:
        return len(self._dirty)

    def add(self, key: str, rank: int = 0, lane: str = "") -> None:
        """Ask for a look at this key soon; the lowest rank comes first, and of several the lowest counts."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._dirty and self._dirty[key] <= (lane, rank):
            return
        self._dirty[key] = lane, rank
        if key not in self._working:
            self._enqueue(key)

    def add_after(self, key: str, seconds: float, rank: int = 0, lane: str = "") -> None:
        """Ask for a look at this key later; of several times the earliest counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if key in self._dirty or (timer is not None and timer.when() <= due):
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._expire, key, rank, lane)

    def _expire(self, key: str, rank: int, lane: str) -> None:
        self._timers.pop(key, None)
        self.add(key, rank, lane)

    async def get(self) -> str:
        """Wait for a key and take it; `done` gives it back."""
        while True:
            while self._lanes and not self._closed:
                lane, rank, key = self._pop()
                if self._dirty.get(key) == (lane, rank) and key not in self._working:  # else it has a lower one by now
                    del self._dirty[key]
                    self._working.add(key)
                    return key
            self._available.clear()
            await self._available.wait()

    async def close(self) -> None:
        """Give no key to anybody any more, and wait until all that were taken are given back."""
        self._closed = True
        while self._working:
            self._idle.clear()
            await self._idle.wait()

    def done(self, key: str) -> None:
        """Say that the look is over; events that came meanwhile bring another."""
        self._working.discard(key)
        if not self._working:
            self._idle.set()
        if key in self._dirty:
            self._enqueue(key)

    def _pop(self) -> tuple[str, int, str]:
        lane = "" if "" in self._lanes else next(iter(self._lanes))
        waiting = self._lanes.pop(lane)
        rank, _, key = heapq.heappop(waiting)
        if waiting:
            self._lanes[lane] = waiting  # behind the others
        return lane, rank, key

    def _enqueue(self, key: str) -> None:
        lane, rank = self._dirty[key]
        heapq.heappush(self._lanes.setdefault(lane, []), (rank, next(self._numbers), key))
        self._available.set()
