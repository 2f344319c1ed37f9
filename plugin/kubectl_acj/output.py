"""What a command writes: results to standard output, what it tells about its work to standard error.

Colours and control codes only on a terminal, and no colours where NO_COLOR is set. Texts that others have written (a
message holds the last lines of a container's log) are shown with their control characters made visible; the logs
themselves, and `-o json` and `-o yaml`, pass as they are.

Where nobody reads any more, what is written is dropped, and the command goes on for the sake of its exit code, by which
`run` and `wait` tell a job's end. A command that has nothing to do but to write calls `end_with_the_reader` first.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import click
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubectl_acj import job as resource
from kubectl_acj.errors import ExitCode
from kubectl_acj.job import Json

FORMATS: Final = ("json", "yaml", "name")

COLOURS: Final[Mapping[str, str]] = {
    "Pending": "yellow",
    "Queued": "yellow",
    "Running": "cyan",
    "Succeeded": "green",
    "Failed": "red",
    "Suspended": "magenta",
}
"""By phase."""

WIDTHS: Final[Mapping[str, int]] = {
    "NAMESPACE": 20,
    "NAME": 30,
    "PHASE": 9,
    "REASON": 21,
    "ATTEMPTS": 8,
    "EXIT": 4,
    "START": 5,
    "AGE": 5,
}
"""Column of the table of jobs -> how wide it is at least, where rows are written one by one."""

UNBOUNDED: Final = 10_000
"""Columns of a page that no row is too wide for."""

_writing: Final = threading.Lock()
_ends_with_the_reader: Final = threading.Event()


def end_with_the_reader() -> None:
    """From now on, end at once when nobody reads standard output any more, as SIGPIPE ends kubectl."""
    _ends_with_the_reader.set()


@contextmanager
def _as_long_as_somebody_reads(stream: TextIO) -> Iterator[None]:
    """For each write to this stream; what its buffer still holds is dropped, too, or Python would exit with 120."""
    try:
        yield
    except OSError as error:
        if stream is sys.stdout:
            if not isinstance(error, BrokenPipeError):
                raise
            if _ends_with_the_reader.is_set():
                os._exit(ExitCode.UNREAD)  # a log is written by a thread, which could not end the others
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def console(width: int | None = None) -> Console:
    """Standard output, for tables; as wide as the terminal, unless said."""
    terminal = sys.stdout.isatty()
    return Console(
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        highlight=False,
        markup=False,
        emoji=False,
        width=width,
    )


def show(renderable: Table) -> None:
    """Write a table, as wide as it is: a name that is cut is of no use."""
    page = console(UNBOUNDED)
    with page.capture() as written:
        page.print(renderable)
    say(written.get(), nl=False)


def say(text: str, *, nl: bool = True) -> None:
    """Write a result, `nl` with an end of line."""
    with _as_long_as_somebody_reads(sys.stdout):
        click.echo(text, nl=nl)


def raw(piece: bytes) -> None:
    """Write a piece of a log as it is."""
    with _writing, _as_long_as_somebody_reads(sys.stdout):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def tell(sentence: str) -> None:
    """Say something about the command's own work, on standard error."""
    with _as_long_as_somebody_reads(sys.stderr):
        click.echo(printable(sentence), err=True)


def report(jobs: Sequence[Json], form: str | None, done: Callable[[Json], str]) -> None:
    """Write what became of jobs: in this format, else a line for each, as kubectl does."""
    if form is None:
        for job in jobs:
            say(f"{full_name(job)} {printable(done(job))}")
    else:
        dump(jobs[0] if len(jobs) == 1 else _list(jobs), form)


def dump_list(jobs: Sequence[Json], form: str) -> None:
    """Write jobs as one list, however many there are."""
    dump(_list(jobs), form)


def dump(found: Json, form: str) -> None:
    """Write a resource or a list of them."""
    items = found["items"] if found["kind"] == "List" else [found]
    for item in items:
        item["metadata"].pop("managedFields", None)
    if form == "name":
        for item in items:
            say(full_name(item))
    elif form == "json":
        say(json.dumps(found, indent=4, ensure_ascii=False))
    else:
        say(yaml.dump(found, Dumper=_Dumper, allow_unicode=True), nl=False)


class _Dumper(yaml.SafeDumper):
    """Quotes, too, what is a text here and a number or a truth value to kubectl, such as 08, 1e-3 and y."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9_]+\.?[0-9_]*|\.[0-9_]+)([eE][-+]?[0-9_]+)?$|[-+]?0[xXoObB][0-9a-fA-F_]+$"),
    list("-+.0123456789"),
)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("[yYnN]$"), list("yYnN"))


def full_name(job: Json) -> str:
    """What kubectl calls it."""
    return f"{resource.TYPE_NAME}/{job['metadata']['name']}"


def table(jobs: Iterable[Json], now: datetime, *, everywhere: bool, steady: bool = False, head: bool = True) -> Table:
    """Jobs as `kubectl get` lists them, with the phase in colour; `steady` for rows that shall stand below others."""
    made = plain_table([title for title in WIDTHS if everywhere or title != "NAMESPACE"], head=head, steady=steady)
    for job in jobs:
        meta, status = job["metadata"], job.get("status") or {}
        phase = status.get("phase", "")
        made.add_row(
            *([Text(meta["namespace"])] if everywhere else []),
            Text(meta["name"]),
            Text(phase, COLOURS.get(phase, "")),
            Text(printable(status.get("reason", ""))),
            *(Text(str(status.get(field, ""))) for field in ("attempt", "exitCode")),
            Text(age(status.get("startTime"), now)),
            Text(age(meta.get("creationTimestamp"), now)),
        )
    return made


def plain_table(titles: Sequence[str], *, head: bool = True, steady: bool = False) -> Table:
    """A table without lines, its columns three blanks apart."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="", show_header=head)
    for title in titles:
        made.add_column(title, no_wrap=True, min_width=WIDTHS[title] if steady else None)
    return made


def age(stamp: str | None, now: datetime) -> str:
    """How long ago a time is (RFC 3339), in kubectl's words; empty without one."""
    return duration((now - moment(stamp)).total_seconds()) if stamp else ""


def duration(seconds: float) -> str:
    """Write a length of time as kubectl does: the longer it is, the coarser."""
    whole = max(int(seconds), 0)
    for most, large, small in _STEPS:
        if whole < most:
            rest = whole % _UNITS[large] // _UNITS[small] if small else 0
            return f"{whole // _UNITS[large]}{large}" + (f"{rest}{small}" if rest else "")
    return f"{whole // _UNITS['d']}d"


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_STEPS: Final = (
    (120, "s", ""),
    (600, "m", "s"),
    (3 * 3600, "m", ""),
    (8 * 3600, "h", "m"),
    (48 * 3600, "h", ""),
    (8 * 86400, "d", "h"),
)
"""Up to how many seconds -> in which unit, and which one for the rest."""


def moment(stamp: str) -> datetime:
    """Read an RFC 3339 time."""
    return datetime.fromisoformat(stamp)


def now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


def printable(text: str) -> str:
    """Make control characters visible, but for ends of lines: they could rewrite what the terminal shows."""
    return "".join(
        repr(char)[1:-1] if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t" else char for char in text
    )


def _list(jobs: Sequence[Json]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": list(jobs)}
