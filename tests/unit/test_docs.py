"""What the documents name is there: links, commands, fields, settings, reasons. tests/e2e shows that commands work."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_container_job.conditions import PROBLEMS
from airflow_container_job.events import EVENTS
from airflow_container_job.reasons import REASONS
from airflow_container_job.settings import Settings
from dynamic_pod import contract
from tests.support.cluster import CRD, KIND
from tests.support.docs import (
    LANGUAGES,
    ROOT,
    Command,
    Document,
    guides,
    looks_as,
    make_targets,
    pages,
    type_in,
    unknown_fields,
)

PAGES = pages()
GUIDES = guides()
SCHEMA = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
each_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)


def broken_links(page: Document) -> Iterator[str]:
    for link in page.links():
        if re.match(r"https?:|mailto:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.path.parent / file if file else page.path
        if not target.exists() or (anchor and anchor not in Document.read(target).anchors()):
            yield link


def wrong_blocks(guide: Document) -> Iterator[str]:
    for block in guide.blocks:
        place = f"{guide.name}:{block.line}"
        if block.language not in LANGUAGES:
            yield f"{place}: the language {block.language or 'of no name'} is none of {', '.join(sorted(LANGUAGES))}"
        elif block.language == "console" and not block.text.startswith("$ "):
            yield f"{place}: a console begins with a command, as in `$ make demo`"
        elif block.mark in ("not run", "run in") and block.language != "console":
            yield f"{place}: only a console is run"
        elif block.mark == "run in":
            test = ROOT / block.detail
            if not test.is_file() or guide.name not in test.read_text():
                yield f"{place}: {block.detail} does not say that it runs the commands of {guide.name}"


def wrong_fields(guide: Document) -> Iterator[str]:
    """Of whole resources of ours, and of pieces of one, which begin with `spec:` or `status:`."""
    for block in guide.blocks:
        for found in block.objects() if block.language == "yaml" else ():
            if isinstance(found, dict) and (found.get("kind") == KIND or set(found) <= {"spec", "status"}):
                said = {part: found[part] for part in ("spec", "status") if part in found}
                yield from (f"{guide.name}:{block.line}: {path}" for path in unknown_fields(said, SCHEMA))


def wrong_python(guide: Document) -> Iterator[str]:
    """Python that does not parse, and arguments of our operator that do not exist."""
    known = {*contract.SCHEMAS, "task_id", "retry_delay", "kubernetes_conn_id", "deferrable"} - {"owner_reference"}
    for block in guide.blocks:
        for node in ast.walk(ast.parse(block.text)) if block.language == "python" else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("DynamicPodOperator"):
                given = {keyword.arg for keyword in node.keywords if keyword.arg}
                yield from (f"{guide.name}:{block.line}: {name}" for name in sorted(given - known))


def document(folder: Path, text: str) -> Document:
    path = folder / "page.md"
    path.write_text(text)
    return Document.read(path)


@each_page
def test_links_lead_somewhere(page: Document) -> None:
    assert not list(broken_links(page))


@each_guide
def test_each_command_is_run_or_says_why_not(guide: Document) -> None:
    assert not list(wrong_blocks(guide))


@each_guide
def test_each_field_shown_exists(guide: Document) -> None:
    assert not list(wrong_fields(guide))


@each_guide
def test_each_argument_in_python_exists(guide: Document) -> None:
    assert not list(wrong_python(guide))


def test_each_make_target_named_exists() -> None:
    there = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for page in GUIDES for typed in page.typed() for target in make_targets(typed)}
    assert named - there == set()


def test_each_setting_named_exists() -> None:
    there = {f"ACJ_{name.upper()}" for name in Settings.model_fields}
    named = {name for page in GUIDES for name in re.findall(r"ACJ_\w*\w", page.path.read_text())}
    assert named - there == set()


def test_the_map_of_the_code_names_what_is_there() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    paths = [path for row in rows for path in re.findall(r"`([^`]+)`", row)]
    assert len(paths) > 20
    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []


def test_the_index_leads_to_each_document() -> None:
    index = Document.read(ROOT / "docs" / "README.md")
    reached = {(index.path.parent / link.partition("#")[0]).resolve() for link in index.links()}
    assert [page.name for page in GUIDES if page.path not in reached and page.path != index.path] == []


def test_each_cell_of_the_comparison_has_a_source() -> None:
    text = (ROOT / "docs" / "comparison.md").read_text()
    sources = set(re.findall(r"^\[([\w-]+)\]: ", text, re.MULTILINE))
    head, _, *rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    named = {source for row in rows for cell in row for source in re.findall(r"\]\[([\w-]+)\]", cell)}
    assert [row[0] for row in rows if len(row) != len(head) or not all("][" in cell for cell in row[1:])] == []
    assert named == sources


class TestTroubleshooting:
    """A person looks up the word that `kubectl get` shows: each has a row under its phase, and no other has."""

    TEXT = (ROOT / "docs" / "troubleshooting.md").read_text()

    def rows(self, title: str) -> set[str]:
        (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", self.TEXT, re.MULTILINE | re.DOTALL)
        return set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))

    @pytest.mark.parametrize("phase", REASONS)
    def test_reasons(self, phase: str) -> None:
        assert self.rows(phase) == set(REASONS[phase])

    def test_conditions_and_events(self) -> None:
        assert self.rows("Results") == set(PROBLEMS)
        assert self.rows("Events") == set(EVENTS)


class TestTheReaderOfDocuments:
    """It can fail: what is wrong with a document is found."""

    def test_a_link_without_target(self, tmp_path: Path) -> None:
        text = "# Ports\n## A `b` c\n[a](page.md#ports) [b](gone.md) [c](#harbours) [d](#a-b-c)\n![e](gone.png)\n"
        assert list(broken_links(document(tmp_path, text))) == ["gone.md", "#harbours", "gone.png"]

    def test_a_fence_that_is_not_closed(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"page\.md:1: this fence is not closed"):
            document(tmp_path, "```console\n$ true\n")

    @pytest.mark.parametrize("mark", ["not run", "not run:", "skipped: why", "run in:"])
    def test_a_mark_that_is_not_understood(self, tmp_path: Path, mark: str) -> None:
        with pytest.raises(ValueError, match="say one of"):
            document(tmp_path, f"<!-- test: {mark} -->\n```console\n$ true\n```\n")

    @pytest.mark.parametrize(
        "block",
        [
            "```sh\nmake demo\n```",
            "```\n$ make demo\n```",
            "```console\nmake demo\n```",
            "<!-- test: not run: it takes long -->\n```yaml\na: 1\n```",
            "<!-- test: run in tests/e2e/test_gone.py -->\n```console\n$ true\n```",
            "<!-- test: run in tests/e2e/test_job.py -->\n```console\n$ true\n```",
        ],
    )
    def test_a_block_that_hides_a_command(self, tmp_path: Path, block: str) -> None:
        assert len(list(wrong_blocks(document(tmp_path, block)))) == 1

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("kind: AirflowContainerJob\nspec: {imagge: a}", "spec.imagge"),
            ("spec: {env: [{name: A, valueFrom: {secretKeyRef: {nam: b}}}]}", "spec.env[0].valueFrom.secretKeyRef.nam"),
            ("spec: {nodeSelector: {any: thing}, params: {any: {thing: 1}}}", None),
            ("kind: ConfigMap\ndata: {a: b}", None),
        ],
    )
    def test_a_field_that_does_not_exist(self, tmp_path: Path, text: str, path: str | None) -> None:
        found = list(wrong_fields(document(tmp_path, f"```yaml\n{text}\n```\n")))
        assert found == ([f"page.md:1: {path}"] if path else [])

    def test_an_argument_that_does_not_exist(self, tmp_path: Path) -> None:
        text = "```python\nDynamicPodOperator(task_id='a', image='b')\nOther(image='b')\n```\n"
        assert list(wrong_python(document(tmp_path, text))) == ["page.md:1: image"]

    def test_commands_with_what_they_print(self, tmp_path: Path) -> None:
        text = "1. Do\n\n   ```console\n   $ a \\\n       b\n   out\n\n   put\n   $ c\n   ```\n"
        assert [(one.line, one.text, one.shown) for one in document(tmp_path, text).walk()] == [
            (4, "a \\\n    b", "out\n\nput"),
            (9, "c", ""),
        ]

    def test_what_is_not_run(self, tmp_path: Path) -> None:
        marks = ["not run: because", "run in tests/e2e/test_job.py", "save as a.yaml"]
        text = "".join(f"<!-- test: {mark} -->\n```console\n$ true\n```\n" for mark in marks)
        (command,) = document(tmp_path, text).walk()
        assert "a.yaml" in command.text

    def test_typed_until_one_fails(self, tmp_path: Path) -> None:
        text = """
<!-- test: save as dir/word -->
```text
$HOME
```
```console
$ word=$(cat dir/word)
$ echo $word && echo trouble >&2
$ ls gone
$ echo never
```
"""
        (tmp_path / "dir").mkdir()
        typed = type_in(document(tmp_path, text).walk(), tmp_path, os.environ, 60)
        assert [(printed, went_well) for _, printed, went_well in typed][:3] == [
            ("", True),
            ("", True),
            ("$HOME\ntrouble\n", True),
        ]
        assert ["gone" in printed and not went_well for _, printed, went_well in typed[3:]] == [True]

    def test_a_command_that_does_not_end(self, tmp_path: Path) -> None:
        (typed,) = type_in([Command(1, "echo begun; sleep 600", "")], tmp_path, os.environ, 5)
        assert typed[1:] == ("begun\n", False)

    @pytest.mark.parametrize(
        ("typed", "targets"),
        [
            ("make test", ["test"]),
            ('eval "$(make -s env)"', ["env"]),
            ("make up CLUSTER=current && make demo", ["up", "demo"]),
            ("cmake install", []),
            ("kubectl get acj", []),
        ],
    )
    def test_make_targets(self, typed: str, targets: list[str]) -> None:
        assert make_targets(typed) == targets

    @pytest.mark.parametrize(
        ("real", "same"),
        [
            ("NAME    PHASE       AGE\nhello   Succeeded   1m15s\n", True),
            ("NAME    PHASE       AGE\nhello   Failed   15s\n", False),
            ("NAME    PHASE       AGE\nhello   Succeeded   15s\nmore Pending 1s\n", False),
        ],
    )
    def test_output_as_shown(self, real: str, same: bool) -> None:
        assert looks_as("NAME   PHASE   AGE\nhello  Succeeded  7s", real) is same

    def test_output_shown_in_part(self) -> None:
        assert looks_as("image: busybox:1.35 … node", "image: busybox:1.36 and\nthe node")
        assert not looks_as("image: … node", "the image")


def test_the_schema_is_that_of_the_resource() -> None:
    known: dict[str, Any] = SCHEMA["properties"]["spec"]["properties"]
    assert {"image", "dagId"} <= set(known)
