"""The cluster's nodes from inside, to do what a crash does: kill a process without a word."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

OURS = ("--filter", "label=io.x-k8s.kind.cluster=acj", "--format", "{{.Names}}")

KILL = r"""
killed=0
for process in /proc/[0-9]*; do
  if tr '\0' ' ' < $process/cmdline 2>/dev/null | grep -q "$PATTERN"; then
    kill -9 ${process#/proc/} && killed=$((killed + 1))
  fi
done
echo $killed
"""


class Nodes:
    """kind's nodes: containers of the engine."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment}

    def total(self, script: str, **variables: str) -> int:
        """Run a shell script that prints a number on every node; the sum."""
        settings = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        names = self._docker("ps", *OURS).split()
        return sum(int(self._docker("exec", *settings, name, "sh", "-c", script)) for name in names)

    def kill(self, pattern: str) -> None:
        """SIGKILL every process whose command line matches; one at least must."""
        assert self.total(KILL, PATTERN=pattern) > 0, f"no process matches {pattern!r}"

    def _docker(self, *words: str) -> str:
        done = subprocess.run(
            ["docker", *words], env=self._environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout
