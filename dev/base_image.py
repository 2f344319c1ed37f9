"""The Python image that ours are built on: the published one, or one made of Debian packages."""

import shutil
from pathlib import Path
from typing import Final

from dev import debian, paths, pins
from dev.engine import has_image, pull

_CA_BUNDLE: Final = Path("etc/ssl/certs/ca-certificates.crt")


def ensure() -> str:
    """Name of the image, after making sure that it is there."""
    made = f"airflow-container-job/python:{paths.digest(pins.DEBIAN, Path(__file__), paths.CHECKOUT / 'dev/debian.py')}"
    if has_image(made):
        return made
    if has_image(pins.PYTHON_IMAGE) or pull(pins.PYTHON_IMAGE):
        return pins.PYTHON_IMAGE
    with debian.root_folder("Python", "python3", "python3-venv", "ca-certificates") as root:
        bundle = Path("/") / _CA_BUNDLE
        if bundle.exists():  # behind a proxy of one's own, the machine knows authorities that Debian does not
            shutil.copy(bundle, root / _CA_BUNDLE)
        debian.import_image(
            root,
            made,
            f"ENV PIP_CERT=/{_CA_BUNDLE} SSL_CERT_FILE=/{_CA_BUNDLE} LANG=C.UTF-8",
            'CMD ["python3"]',
        )
    return made
