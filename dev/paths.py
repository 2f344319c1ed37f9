"""Where things are kept: the checkout is only read, all that is made lies below one cache folder."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dev.errors import Stop

CHECKOUT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airflow-container-job"
PROGRAMS: Final = CACHE / "programs"
"""Compiled programs, one folder per content of their pins."""

BIN: Final = CACHE / "bin"
"""Links to the programs that belong on a PATH."""

ENGINE: Final = CACHE / "engine"
"""The private engine's socket, state and data."""

KUBECONFIG: Final = CACHE / "kubeconfig"
LOG: Final = CACHE / "log"
MARK: Final = "AIRFLOW_CONTAINER_JOB_DEV"
"""In the environment of every program that a command under the lock starts, so that a later one finds what is left."""

_SCRATCH: Final = CACHE / "scratch"


@contextmanager
def lock() -> Iterator[None]:
    """One command that changes something at a time. The kernel frees the lock, however the holder ends."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Stop(f"Another run is at work (process {file.read().strip()}): wait for it, or end it.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        os.environ[MARK] = str(CACHE)
        yield


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for half-made things; it goes, with what is left in it."""
    _SCRATCH.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=_SCRATCH))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_scratch() -> None:
    """Remove what runs that were killed have left. Nothing may be mounted there any more."""
    shutil.rmtree(_SCRATCH, ignore_errors=True)


def digest(*parts: str | Path) -> str:
    """Short name of a content: of texts, files and whole folders, names included."""
    total = hashlib.sha256()
    for part in parts:
        files = [part] if isinstance(part, str) else sorted(_files(part))
        for item in files:
            if isinstance(item, Path):
                total.update(item.relative_to(CHECKOUT).as_posix().encode() + b"\0")
            data = item.encode() if isinstance(item, str) else item.read_bytes()
            total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:12]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts]
