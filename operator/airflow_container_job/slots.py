"""So many jobs at a time do what takes long; the others wait for that without a worker.

Used by the controller.
"""

from __future__ import annotations


class Slots:
    """Who has one, and who waits for one, in the order in which they came."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken: set[str] = set()
        self._waiting: dict[str, None] = {}

    def take(self, key: str) -> bool:
        """Have one, or wait for one: `give_back` tells when it is there."""
        if key in self._taken or len(self._taken) < self._count:
            self._waiting.pop(key, None)
            self._taken.add(key)
            return True
        self._waiting[key] = None
        return False

    def give_back(self, key: str) -> str | None:
        """Have none any more, if it had one; who has it now, and so has to give it back in turn."""
        if key not in self._taken:
            return None
        self._taken.remove(key)
        following = next(iter(self._waiting), None)
        if following is not None:
            self.take(following)
        return following
