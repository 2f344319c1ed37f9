"""Root folders made of Debian packages with debootstrap, for images that cannot be pulled."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev import machine, paths, pins
from dev.errors import Stop
from dev.progress import step
from dev.run import run


@contextmanager
def root_folder(title: str, *packages: str) -> Iterator[Path]:
    """A minimal Debian with those packages, to be made into an image and then forgotten."""
    if not machine.can_install():
        raise Stop(f"The image for {title} cannot be pulled, and only root on Debian can make it: get to a registry.")
    machine.require("debootstrap")
    downloads = paths.CACHE / "debian-packages"
    downloads.mkdir(parents=True, exist_ok=True)
    with paths.scratch() as root:
        with machine.packages_lock, step(f"Debian packages for {title}") as note:
            run(
                *("debootstrap", "--variant=minbase", f"--cache-dir={downloads}"),
                *(f"--include={','.join(packages)}", pins.DEBIAN, root),
                on_line=lambda line: note(line.removeprefix("I: ")[:60]),
            )
        for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
            shutil.rmtree(root / waste)
            (root / waste).mkdir()
        yield root


def import_image(root: Path, name: str, *changes: str) -> None:
    """Make an image of a root folder; `changes` are Dockerfile instructions."""
    options = [word for change in changes for word in ("-c", change)]
    script = 'set -o pipefail; root=$1; shift; tar -C "$root" --numeric-owner -c . | docker import "$@"'
    run("bash", "-c", script, "import", root, *options, "-", name)
