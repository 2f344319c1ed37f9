"""Completion: `kubectl_complete-acj`, which kubectl calls when somebody presses Tab behind `kubectl acj`.

It gets the words so far, the last one unfinished, and answers in the language of cobra, kubectl's library: a candidate
a line, with its meaning behind a tab, and last a colon and a number. click works out the candidates.
"""

from __future__ import annotations

import sys
from typing import Final

from click.shell_completion import CompletionItem, ShellComplete

from kubectl_acj.cli import PROGRAM, cli
from kubectl_acj.errors import PluginError

FILES: Final = ":0"
"""cobra's ShellCompDirectiveDefault: the shell completes names of files where we offer nothing."""

NO_FILES: Final = ":4"
"""cobra's ShellCompDirectiveNoFileComp."""


def main() -> None:
    """Write the candidates for the words of the command line."""
    *words, unfinished = sys.argv[1:] or [""]
    sys.stdout.write("\n".join(answer(words, unfinished)) + "\n")


def answer(words: list[str], unfinished: str) -> list[str]:
    """Give the lines for kubectl; without a cluster there are no candidates, and no complaint in the user's prompt."""
    try:
        items = ShellComplete(cli, {}, PROGRAM, "").get_completions(words, unfinished)
    except PluginError:
        items = []
    files = any(item.type in ("file", "dir") for item in items) or "--" in words
    return [*(_line(item) for item in items if item.type == "plain"), FILES if files else NO_FILES]


def _line(item: CompletionItem) -> str:
    return f"{item.value}\t{item.help}" if item.help else str(item.value)
