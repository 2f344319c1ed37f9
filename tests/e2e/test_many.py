"""Thirty jobs at once."""

from __future__ import annotations

from tests.support.cluster import PLURAL, Namespace
from tests.support.jobs import job
from tests.support.wait import until


def test_thirty_at_once_all_succeed(namespace: Namespace) -> None:
    names = [f"many-{number}" for number in range(30)]
    namespace.apply(*(job(name, f"echo {name}") for name in names))

    def phases() -> list[str]:
        return [item.get("status", {}).get("phase", "") for item in namespace.items(PLURAL)]

    until("all are over", lambda: len(seen := phases()) == 30 and set(seen) <= {"Succeeded", "Failed"}, 400)
    assert phases() == ["Succeeded"] * 30
