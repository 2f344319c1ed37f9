"""The Python environment of tests and linters: `.venv` in the checkout, from requirements/ by hash, with the project.

Made again when the requirement files change or the checkout has moved. Not under the lock of the other commands: it
does not touch what is up.
"""

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Mapping
from typing import Final

from dev import machine, paths
from dev.errors import Stop
from dev.progress import step
from dev.run import run

_FOLDER: Final = paths.CHECKOUT / ".venv"
_SOURCES: Final = (
    ("PIP_INDEX_URL", ("UV_DEFAULT_INDEX", "UV_INDEX_URL"), " "),
    ("PIP_EXTRA_INDEX_URL", ("UV_INDEX", "UV_EXTRA_INDEX_URL"), " "),
    ("PIP_FIND_LINKS", ("UV_FIND_LINKS",), ","),
)
"""A variable of pip, those of uv that say the same, the newer one first, and how uv parts several values."""

_REQUIREMENTS: Final = tuple(paths.CHECKOUT / "requirements" / name for name in ("dev.txt", "build.txt"))


def venv() -> None:
    # with the folder, as the programs in it name their Python by its whole path
    key = paths.digest(*_REQUIREMENTS, paths.CHECKOUT / "pyproject.toml", sys.version, str(_FOLDER))
    made = _FOLDER / "made"
    if made.exists() and made.read_text() == key:
        return
    if not importlib.util.find_spec("ensurepip"):
        machine.install_packages("python3-venv")
    with step("Python environment in .venv"):
        shutil.rmtree(_FOLDER, ignore_errors=True)
        run(sys.executable, "-m", "venv", _FOLDER)
        _install()
    made.write_text(key)


def _install() -> None:
    python = _FOLDER / "bin/python"
    pin = re.search(r"^uv==(.*\\\n)*.*", _REQUIREMENTS[0].read_text(), re.MULTILINE)
    if not pin:
        raise Stop("requirements/dev.txt does not pin uv: run `make lock` in a checkout where it does.")
    (_FOLDER / "uv.txt").write_text(pin[0])
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", _FOLDER / "uv.txt")
    install = (_FOLDER / "bin/uv", "pip", "install", "--python", python)
    env = _sources(os.environ)
    run(*install, "--require-hashes", *(f"--requirement={file}" for file in _REQUIREMENTS), env=env)
    run(*install, "--no-deps", "--no-build-isolation", "--editable", paths.CHECKOUT)


def _sources(environment: Mapping[str, str]) -> dict[str, str]:
    """Where packages come from, told to uv as pip is told: uv knows its own variables only, and those go first."""
    found = {}
    for theirs, (ours, *older), separator in _SOURCES:
        if (values := environment.get(theirs, "").split()) and not any(map(environment.get, (ours, *older))):
            found[ours] = separator.join(values)
    return found
