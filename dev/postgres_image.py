"""The PostgreSQL image of manifests/overlays/postgres: the published one, or one made of Debian packages.

The manifest brings the script that starts it, so all an image must have is a user 999 and the server's programs on the
PATH; both do.
"""

import shutil
from pathlib import Path
from typing import Final

from dev import debian, paths, pins
from dev.engine import has_image, pull
from dev.images import Images
from dev.run import run

_VERSION: Final = "15"
_USER: Final = "999"
"""As in the published image."""


def ensure() -> Images:
    """The image to run in place of the one that the manifest names, after making sure that it is there."""
    content = paths.digest(pins.DEBIAN, Path(__file__), paths.CHECKOUT / "dev/debian.py")
    made = f"airflow-container-job/postgres:{content}"
    if has_image(made):
        return {pins.POSTGRES_IMAGE: made}
    if has_image(pins.POSTGRES_IMAGE) or pull(pins.POSTGRES_IMAGE):
        return {pins.POSTGRES_IMAGE: pins.POSTGRES_IMAGE}
    with debian.root_folder("PostgreSQL", f"postgresql-{_VERSION}") as root:
        run("chroot", root, "usermod", "--uid", _USER, "postgres")
        shutil.rmtree(root / "var/lib/postgresql")  # Debian makes a database on installation
        debian.import_image(root, made, f"ENV PATH=/usr/lib/postgresql/{_VERSION}/bin:/usr/bin:/bin LANG=C.UTF-8")
    return {pins.POSTGRES_IMAGE: made}
