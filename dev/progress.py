"""Says what is done, since when, and what is waited for. On standard error, so that output stays clean.

A finished step is one line. What still runs is repeated: in place on a terminal, every half minute elsewhere.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_START: Final = time.monotonic()
_TERMINAL: Final = sys.stderr.isatty()
_lock: Final = threading.Lock()
_running: Final[dict[str, tuple[float, str]]] = {}


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def say(text: str) -> None:
    """One line, with the time since the start of the command."""
    with _lock:
        erase = "\r\033[K" if _TERMINAL else ""
        print(f"{erase}[{clock(time.monotonic() - _START):>5}] {text}", file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Time one step. The yielded function tells what it waits for at the moment."""
    begun = time.monotonic()

    def note(text: str) -> None:
        _running[title] = (begun, text)

    note("")
    try:
        yield note
    finally:
        del _running[title]
    say(f"{title}: done in {clock(time.monotonic() - begun)}")


def _still() -> str:
    now = time.monotonic()
    return "; ".join(
        f"{title} ({clock(now - begun)}{', ' + note if note else ''})"
        for title, (begun, note) in list(_running.items())
    )


def _repeat() -> None:
    while True:
        time.sleep(1 if _TERMINAL else 30)
        if text := _still():
            if _TERMINAL:
                with _lock:
                    print(f"\r\033[K    ... {text}"[:160], end="", file=sys.stderr, flush=True)
            else:
                say(f"... {text}")


def start() -> None:
    """Begin repeating; the thread dies with the program."""
    threading.Thread(target=_repeat, daemon=True).start()
