"""What this machine must have: Debian packages (installed when missing), disk space, a free port."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dev import paths
from dev.errors import CommandFailed, Stop
from dev.progress import say, step
from dev.run import run

_PACKAGES: Final = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "jq": "jq",
    "iptables": "iptables",
    "nft": "nftables",
    "ip": "iproute2",
    "debootstrap": "debootstrap",
}
"""Which Debian package brings a program."""

packages_lock: Final = threading.Lock()
"""Held while Debian packages are fetched: images are made side by side, and neither apt nor the folder of packages that
debootstrap keeps is for two at a time."""

_POLICY: Final = Path("/usr/sbin/policy-rc.d")
"""Asked by Debian's packages before they start a service."""

_NO_SERVICES: Final = b"#!/bin/sh\n# Of airflow-container-job, while it installs packages.\nexit 101\n"


def is_root() -> bool:
    return os.geteuid() == 0


def can_install() -> bool:
    """Whether Debian packages can be added: only then can an engine and images be made here."""
    return is_root() and bool(shutil.which("apt-get"))


def require(*programs: str) -> None:
    """Install the Debian packages of those programs that are missing, after saying which."""
    with packages_lock:
        packages = sorted({_PACKAGES[program] for program in programs if not shutil.which(program)})
        if packages:
            install_packages(*packages)


def install_packages(*packages: str) -> None:
    """Install Debian packages, after saying which."""
    if not can_install():
        raise Stop(f"Missing: {', '.join(packages)}. Install them, or run this as root on Debian.")
    say(f"installing Debian packages: {' '.join(packages)}")
    patient = ("-o", "DPkg::Lock::Timeout=120")  # the machine may be at its own upgrades
    install = ("apt-get", "install", "-y", "--no-install-recommends", *patient, *packages)
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    with step("Debian packages"):
        try:
            run(*install, env=env)
        except CommandFailed:  # as a rule the lists are missing or old
            run("apt-get", "update", env=env)
            run(*install, env=env)


@contextmanager
def no_services_started() -> Iterator[None]:
    """Have packages that are installed meanwhile start no service, unless the machine has a policy of its own."""
    if not is_root() or _POLICY.exists():
        yield
        return
    _POLICY.write_bytes(_NO_SERVICES)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        allow_services()


def allow_services() -> None:
    """Take our policy away; one that a killed run has left, too."""
    if is_root() and _POLICY.exists() and _POLICY.read_bytes() == _NO_SERVICES:
        _POLICY.unlink()


def require_space(gigabytes: int, what: str) -> None:
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(paths.CACHE).free // 10**9
    if free < gigabytes:
        raise Stop(f"{what} takes {gigabytes} GB, {paths.CACHE} has {free} GB left: make room, or set XDG_CACHE_HOME.")


def require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Stop(f"Port {port} is taken on 127.0.0.1: choose another one with AIRFLOW_PORT=NUMBER.") from None


def unmount_below(folder: Path) -> None:
    """Unmount all that is mounted below a folder, the innermost first."""
    table = Path("/proc/self/mounts")
    if not table.exists():
        return
    points = [line.split()[1].encode().decode("unicode_escape") for line in table.read_text().splitlines()]
    for point in reversed(points):
        if Path(point).is_relative_to(folder):
            run("umount", "--lazy", point)
