"""`list --watch` on a terminal: the table goes on while jobs come and go."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from rich.console import Console

from kubectl_acj import output
from kubectl_acj.cluster import Change
from kubectl_acj.commands import list as list_module
from tests.support.wait import until
from tests.unit.plugin.builders import job


def test_a_job_that_is_deleted_while_the_table_is_drawn_does_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing, deleted = threading.Event(), threading.Event()

    class Name(str):
        """Is compared only once the deletion that the comparing has brought about is done."""

        __slots__ = ()

        def __lt__(self, other: str) -> bool:
            if threading.current_thread() is not threading.main_thread():
                drawing.set()
                deleted.wait(30)
            return str.__lt__(self, other)

    def changes() -> Iterator[Change]:
        for name in ("first", "second"):
            yield Change(job("Running", name=Name(name)), deleted=False)
        assert drawing.wait(30)
        for name in ("first", "second"):
            yield Change(job("Running", name=Name(name)), deleted=True)
        deleted.set()
        yield Change(job("Running", name="late"), deleted=False)
        until("the table shows what came after", lambda: "late" in screen.getvalue(), 30)

    screen = io.StringIO()
    monkeypatch.setattr(output, "console", partial(Console, file=screen, force_terminal=True, width=120))
    list_module._live(changes(), everywhere=False)
    assert "second" in screen.getvalue()
