"""Whether the watch of the resources still tells: what the operator writes itself must come back through it.

kopf keeps that watch, and renews it when it has been silent; this is the proof, from outside, that it does. The
handlers tell what came, the controller what was written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

LATE_SECONDS: Final = 300.0
"""How long an echo may take. kopf begins a watch anew after 70 s without a word."""

DOUBTFUL_SECONDS: Final = 60.0
"""How long an echo may take before it is asked whether its resource is still there: nobody tells of one that is not."""


class Echo:
    """Our writes that the watch has not told of yet. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expected: dict[str, tuple[int, float]] = {}
        self._since = 0.0

    def expect(self, body: Mapping[str, Any]) -> None:
        """We wrote this version of a resource, and the watch has not told of it before we had the answer."""
        if body["metadata"].get("deletionTimestamp") and not body["metadata"].get("finalizers"):
            return  # it is gone with this write, and its last event may have come already
        uid, version = _version(body)
        _, since = self._expected.get(uid, (0, self._clock()))
        self._expected[uid] = version, since

    def heard(self, body: Mapping[str, Any]) -> None:
        """The watch told of this version."""
        uid, version = _version(body)
        if version >= self._expected.get(uid, (0, 0.0))[0]:
            self.forget(uid)

    def forget(self, uid: str) -> None:
        """The resource is no longer there."""
        self._expected.pop(uid, None)

    def excuse(self) -> None:
        """The API server does not answer just now: nothing can be told."""
        self._since = self._clock()

    def doubtful(self) -> list[str]:
        """Uids of resources whose echo takes so long that they may be gone."""
        now = self._clock()
        return [uid for uid, (_, since) in self._expected.items() if now - since > DOUBTFUL_SECONDS]

    def problem(self) -> str:
        """What is wrong, in words; empty when nothing is."""
        oldest = min((since for _, since in self._expected.values()), default=self._clock())
        late = self._clock() - max(oldest, self._since)
        return f"it has not told of our own writes for {late:.0f} s" if late > LATE_SECONDS else ""


def _version(body: Mapping[str, Any]) -> tuple[str, int]:
    return body["metadata"]["uid"], int(body["metadata"]["resourceVersion"])
