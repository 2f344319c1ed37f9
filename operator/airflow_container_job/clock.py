"""The one clock by which pauses are slept, looks put off and ends expected. Used wherever no clock is handed in."""

from __future__ import annotations

import asyncio


def loop_time() -> float:
    """Seconds of the running event loop's clock; raises RuntimeError where none runs."""
    return asyncio.get_running_loop().time()
