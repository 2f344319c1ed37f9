"""What holds for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _interrupted_when_terminated() -> Iterator[None]:
    """Being terminated ends tests as Ctrl-C does: what they have started ends, what they have changed is put back."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)
