"""Documents as the tests read them: fenced blocks with the commands in them, links, headings.

A block of the language `console` holds commands: each line that begins with `$ ` is one, with the lines that a
backslash at the end joins to it; the lines that follow are the output shown. A comment directly before a fence says how
the test treats the block; without one its commands are run, from top to bottom, and print what is shown:

    <!-- test: not run: REASON -->      a person sees why
    <!-- test: run in tests/e2e/x.py --> that test runs it, and names the document
    <!-- test: save as NAME -->         the block is a file, which later commands of the document find
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
LANGUAGES: Final = frozenset({"console", "json", "lua", "mermaid", "promql", "python", "text", "yaml"})
"""What a fence may say. `sh` and the like are not among them: what is to be typed is a console, and is run."""

MARKS: Final = ("not run", "run in", "save as")

_FENCE: Final = re.compile(r"^( *)```(\S*)\s*$")
_MARK: Final = re.compile(r"^ *<!-- test: (.*) -->$")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
_CODE: Final = re.compile(r"`([^`]+)`")
_NUMBER: Final = re.compile(r"(?P<time>(?:\d+[dhms])+)|\d+")


@dataclass(frozen=True)
class Command:
    """What is typed, and what the document shows of what comes back."""

    line: int
    text: str
    shown: str


@dataclass(frozen=True)
class Block:
    """A fenced block; `mark` and `detail` are what the comment before it says."""

    line: int
    language: str
    text: str
    mark: str = ""
    detail: str = ""

    def commands(self) -> list[Command]:
        """The commands of a console, in order."""
        found: list[Command] = []
        rest = self.text.splitlines()
        while rest:
            line = self.line + len(self.text.splitlines()) - len(rest) + 1
            typed = [rest.pop(0).removeprefix("$ ")]
            while typed[-1].endswith("\\") and rest:
                typed.append(rest.pop(0))
            shown = []
            while rest and not rest[0].startswith("$ "):
                shown.append(rest.pop(0))
            found.append(Command(line, "\n".join(typed), "\n".join(shown).strip()))
        return found

    def objects(self) -> list[Any]:
        """The documents of a YAML block."""
        return [one for one in yaml.safe_load_all(self.text) if one is not None]


@dataclass(frozen=True)
class Document:
    """One Markdown file: its blocks, and its prose with the blocks taken out."""

    path: Path
    blocks: Sequence[Block]
    prose: str

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file. A fence that is not closed, or a comment that is not understood, is a ValueError."""
        blocks, prose = _split(path, path.read_text().splitlines())
        return cls(path, blocks, prose)

    @property
    def name(self) -> str:
        """The path as people write it."""
        return self.path.relative_to(ROOT).as_posix() if self.path.is_relative_to(ROOT) else self.path.name

    def walk(self) -> list[Command]:
        """What to type to get from its top to its end; the files that it has its reader save are typed, too."""
        commands: list[Command] = []
        for block in self.blocks:
            if block.mark == "save as":
                text = f"cat > {block.detail} <<'END OF FILE'\n{block.text}\nEND OF FILE"
                commands.append(Command(block.line, text, ""))
            elif block.language == "console" and not block.mark:
                commands += block.commands()
        return commands

    def links(self) -> list[str]:
        """Where its links and pictures lead."""
        return [within or below for within, below in _LINK.findall(_CODE.sub("", self.prose))]

    def anchors(self) -> set[str]:
        """What a link to a heading of it may say after `#`, as GitHub makes it."""
        return set(_anchors(self.prose))

    def typed(self) -> list[str]:
        """Everything that reads like something to type: commands, and code within the prose."""
        commands = [one.text for block in self.blocks if block.language == "console" for one in block.commands()]
        return [*commands, *_CODE.findall(self.prose)]


def pages() -> list[Document]:
    """All Markdown of the project."""
    folders = [one for one in ROOT.iterdir() if one.is_dir() and not one.name.startswith(".")]
    paths = [*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))]
    return [Document.read(path) for path in sorted(paths)]


def guides() -> list[Document]:
    """The documents whose commands are to be true: all for users and contributors, but what is generated."""
    return [page for page in pages() if _is_guide(page.name)]


def type_in(
    commands: Sequence[Command], folder: Path, environment: Mapping[str, str], seconds: float
) -> list[tuple[Command, str, bool]]:
    """Type commands into one shell until one fails; each with what it printed, and whether it went well.

    The shell begins in `folder` and is ended after so many seconds. A folder `records` is made there.
    """
    records = folder / "records"
    records.mkdir()
    script = "".join(
        f"{{ {one.text}\n}} > records/{number} 2>&1 || exit\ntouch records/{number}.done\n"
        for number, one in enumerate(commands)
    )
    shell = subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        shell.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    return [
        (one, (records / str(number)).read_text(), (records / f"{number}.done").exists())
        for number, one in enumerate(commands)
        if (records / str(number)).exists()
    ]


def looks_as(shown: str, real: str) -> bool:
    """Whether a command printed what a document shows: numbers may be others, and `…` stands for anything."""
    pattern = r"\s+".join(re.escape(word) for word in shown.split())
    pattern = _NUMBER.sub(lambda number: r"(?:\d+[dhms])+" if number["time"] else r"\d+", pattern)
    return re.fullmatch(pattern.replace("…", ".*"), real.strip(), re.DOTALL) is not None


def make_targets(typed: str) -> list[str]:
    """The targets that a line to be typed wants made."""
    found = []
    for call in re.findall(r"(?:^|[\s(;&])make((?: +[\w=.\"'/$-]+)*)", typed):
        found += [word for word in call.split() if not word.startswith("-") and "=" not in word]
    return found


def unknown_fields(value: Any, schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The fields of a value that a CRD's schema does not have, each by its path."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            known = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if known is None:
                yield f"{path}.{key}".lstrip(".")
            elif known is not True:
                yield from unknown_fields(inner, known, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from unknown_fields(inner, schema.get("items", {}), f"{path}[{index}]")


def _is_guide(name: str) -> bool:
    if name in ("README.md", "CONTRIBUTING.md"):
        return True
    return name.startswith("docs/") and not name.startswith("docs/decisions/") and name != "docs/reference.md"


def _split(path: Path, lines: Sequence[str]) -> tuple[list[Block], str]:
    blocks, prose = [], []
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        if opened is None:
            prose.append(lines[at])
            at += 1
            continue
        indent, language = opened.groups()
        end = next((i for i in range(at + 1, len(lines)) if lines[i].rstrip() == f"{indent}```"), None)
        if end is None:
            raise ValueError(f"{path}:{at + 1}: this fence is not closed")
        mark, detail = _marked(path, at, lines)
        text = "\n".join(line.removeprefix(indent) for line in lines[at + 1 : end])
        blocks.append(Block(at + 1, language, text, mark, detail))
        at = end + 1
    return blocks, "\n".join(prose)


def _marked(path: Path, fence: int, lines: Sequence[str]) -> tuple[str, str]:
    found = _MARK.match(lines[fence - 1]) if fence else None
    if found is None:
        return "", ""
    for mark in MARKS:
        detail = found[1].removeprefix(mark).lstrip(":").strip()
        if found[1].startswith(mark) and detail:
            return mark, detail
    raise ValueError(f"{path}:{fence}: say one of {', '.join(MARKS)}, with a reason, a test or a name: {found[1]}")


def _anchors(prose: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.*?)\s*$", prose, re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        times = seen.get(slug, 0)
        seen[slug] = times + 1
        yield f"{slug}-{times}" if times else slug
