"""A git repository in a folder, which Argo CD reads as it reads one on a server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final


class Repository:
    """The repository and its working tree."""

    def __init__(self, folder: Path) -> None:
        self.url: Final = f"file://{folder}"
        self._folder = folder
        self._git("init", "--quiet", "--initial-branch=main")

    def write(self, path: str, text: str) -> None:
        """Put a file into the working tree."""
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def replace(self, path: str, old: str, new: str) -> None:
        """Change the one place in a file."""
        text = (self._folder / path).read_text()
        assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
        self.write(path, text.replace(old, new))

    def commit(self, message: str) -> str:
        """Commit all that is there; the commit's hash."""
        self._git("add", "--all")
        who = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        self._git(*who, "commit", "--quiet", f"--message={message}")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self._folder), *arguments]
        ours = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=ours).stdout
