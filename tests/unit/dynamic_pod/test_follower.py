"""What a runner is told about its pod, also when the watch is faster than the answer that brings the pod."""

from __future__ import annotations

import asyncio
from typing import Any

from dynamic_pod.watch import Follower


def pod(version: int, phase: str = "Running", uid: str = "a") -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(version)}, "status": {"phase": phase}}


def followed(
    *, told: dict[str, Any], start: dict[str, Any], deleted: bool = False
) -> tuple[dict[str, Any], bool, bool]:
    """The pod known, whether it is gone, and whether there is news."""

    async def scene() -> tuple[dict[str, Any], bool, bool]:
        follower = Follower()
        (follower.tell_deleted if deleted else follower.tell)(told)
        follower.start(start)
        try:
            await asyncio.wait_for(follower.news(), 0.01)
        except TimeoutError:
            return follower.pod, follower.gone, False
        return follower.pod, follower.gone, True

    return asyncio.run(scene())


def test_an_end_that_was_told_before_the_start_is_news() -> None:
    assert followed(told=pod(12, "Succeeded"), start=pod(10)) == (pod(12, "Succeeded"), False, True)


def test_a_deletion_that_was_told_before_the_start_is_news() -> None:
    assert followed(told=pod(12, "Failed"), start=pod(10), deleted=True) == (pod(12, "Failed"), True, True)


def test_what_was_told_before_the_start_and_is_older_is_no_news() -> None:
    assert followed(told=pod(9, "Pending"), start=pod(10)) == (pod(10), False, False)


def test_another_pod_of_that_name_is_no_news() -> None:
    assert followed(told=pod(12, "Succeeded", uid="b"), start=pod(10)) == (pod(10), False, False)
