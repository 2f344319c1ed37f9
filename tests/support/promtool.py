"""Prometheus' own checker of rules: from the PATH, else from Debian's package, unpacked and not installed.

Installing the package would start a server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from dev import paths

PACKAGE: Final = "prometheus"
UNPACKED: Final = paths.CACHE / "debian-prometheus"


def promtool() -> str:
    """Where it is; fetched once into the cache folder. Raises RuntimeError where it cannot be had."""
    if found := shutil.which("promtool"):
        return found
    program = UNPACKED / "usr" / "bin" / "promtool"
    if not program.exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise RuntimeError(
                "promtool is missing: install Prometheus, which brings it (https://prometheus.io/download)"
            )
        paths.CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=paths.CACHE) as folder:
            _unpack(Path(folder))
    return str(program)


def _unpack(folder: Path) -> None:
    folder.chmod(0o755)
    if _run(folder, "apt-get", "download", PACKAGE).returncode != 0:  # as a rule the lists are missing or old
        _run(folder, "apt-get", "update")
        done = _run(folder, "apt-get", "download", PACKAGE)
        if done.returncode != 0:
            raise RuntimeError(f"Debian's package {PACKAGE} cannot be had: {done.stderr.strip()}; or install promtool")
    (package,) = folder.glob("*.deb")
    half = folder / "half"
    subprocess.run(["dpkg-deb", "--extract", str(package), str(half)], check=True)
    shutil.rmtree(UNPACKED, ignore_errors=True)
    os.rename(half, UNPACKED)  # noqa: PTH104 - a folder at once, whole


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
