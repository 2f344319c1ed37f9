"""Processes that a killed run or a killed engine has left. Called before anything is started, and by `clean`."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dev import paths
from dev.errors import Stop

ENGINE_MARK: Final = "AIRFLOW_CONTAINER_JOB_ENGINE"
"""In the environment of the private engine and, inherited, of its containerd and their helpers."""

CGROUP: Final = "airflow-container-job"
"""Parent of the private engine's containers."""


def _processes(wanted: Callable[[Path], bool]) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) != os.getpid() and wanted(folder):
                found.append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def _has(folder: Path, mark: str) -> bool:
    return f"{mark}={paths.CACHE}".encode() in (folder / "environ").read_bytes().split(b"\0")


def _is_command(folder: Path) -> bool:
    return _has(folder, paths.MARK) and not _has(folder, ENGINE_MARK)


def _is_engine(folder: Path) -> bool:
    return _has(folder, ENGINE_MARK)


def _is_contained(folder: Path) -> bool:
    return f":/{CGROUP}/" in (folder / "cgroup").read_text()


def end_commands() -> None:
    """End programs that a killed run of ours started: a compiler, debootstrap."""
    _end(_is_command)


def end_engine() -> None:
    """End what is left of the private engine: the containers first, so that their parents still clear them away."""
    _end(_is_contained)
    _end(_is_engine)


def _end(wanted: Callable[[Path], bool]) -> None:
    deadline = time.monotonic() + 20
    while processes := _processes(wanted):
        if time.monotonic() > deadline:
            raise Stop(f"Processes that an earlier run left do not end: {processes}. Restart the machine.")
        for process in processes:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def remove_cgroups() -> None:
    """Remove the containers' cgroups, the innermost first; the kernel only lets go of empty ones."""
    for top in Path("/sys/fs/cgroup").glob(f"**/{CGROUP}"):
        for folder in sorted((each for each in top.rglob("*") if each.is_dir()), reverse=True):
            folder.rmdir()
        top.rmdir()
