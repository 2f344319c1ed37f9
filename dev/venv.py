"""The Python environment of tests and linters: `.venv` in the checkout, from requirements/ by hash, with the project.

Made again when the requirement files change. Not under the lock of the other commands: it does not touch what is up.
"""

import importlib.util
import re
import shutil
import sys
from typing import Final

from dev import machine, paths
from dev.errors import Stop
from dev.progress import step
from dev.run import run

_FOLDER: Final = paths.CHECKOUT / ".venv"
_REQUIREMENTS: Final = tuple(paths.CHECKOUT / "requirements" / name for name in ("dev.txt", "build.txt"))


def venv() -> None:
    key = paths.digest(*_REQUIREMENTS, paths.CHECKOUT / "pyproject.toml", sys.version)
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
    run(*install, "--require-hashes", *(f"--requirement={file}" for file in _REQUIREMENTS))
    run(*install, "--no-deps", "--no-build-isolation", "--editable", paths.CHECKOUT)
