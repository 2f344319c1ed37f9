"""The commands of the documents work, typed as they stand there, and print what is shown.

Each document has a namespace, a folder and a shell of its own, and all are walked through side by side.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cluster import KIND, Cluster, Namespace
from tests.support.docs import ROOT, Document, guides, looks_as, type_in

GUIDES = guides()
WALKS = [guide for guide in GUIDES if guide.walk()]
AT_ONCE = 3
SECONDS = 300
"""What a document may take before its shell is ended."""


def walk(guide: Document, cluster: Cluster, folder: Path) -> None:
    """Do what the document says; an AssertionError tells which command failed, or printed something else."""
    for entry in ROOT.iterdir():
        (folder / entry.name).symlink_to(entry)
    with cluster.namespace() as namespace:
        environment = cluster.environment | {"KUBECONFIG": str(kubeconfig(namespace, folder))}
        for command, printed, went_well in type_in(guide.walk(), folder, environment, SECONDS):
            place = f"{guide.name}:{command.line}: $ {command.text}\n{printed}"
            assert went_well, f"{place}\nfailed, or was not over in time"
            assert not command.shown or looks_as(command.shown, printed), f"{place}\nis not what is shown"


def kubeconfig(namespace: Namespace, folder: Path) -> Path:
    """The cluster's, with this namespace as the one that commands mean."""
    path = folder / "kubeconfig"
    path.write_text(namespace.cluster.kubectl("config", "view", "--raw", "--flatten").stdout)
    namespace.cluster.kubectl(
        "config", "set-context", "--current", "--namespace", namespace.name, f"--kubeconfig={path}"
    )
    return path


@pytest.fixture(scope="module")
def walks(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[None]]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {guide.name: pool.submit(walk, guide, cluster, tmp_path_factory.mktemp("walk")) for guide in WALKS}


@pytest.mark.parametrize("guide", WALKS, ids=lambda guide: guide.name)
def test_the_commands_work(guide: Document, walks: Mapping[str, Future[None]]) -> None:
    walks[guide.name].result()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_the_api_server_takes_each_resource_shown(guide: Document, cluster: Cluster) -> None:
    found = [one for block in guide.blocks if block.language == "yaml" for one in block.objects()]
    ours = [one for one in found if isinstance(one, dict) and one.get("kind") == KIND]
    for one in ours:
        done = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=one, check=False)
        assert done.returncode == 0, f"{guide.name}: {json.dumps(one)}\n{done.stderr}"
