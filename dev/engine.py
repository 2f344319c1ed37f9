"""The Docker engine: the one that answers, or a private one with a socket and data of its own.

`use` points this process, and so every docker and kind it starts, at the engine. The private one is started so that
what it adds to the machine has known names: the bridge `acj0`, the cgroup parent, everything else below one folder.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from typing import Final

from dev import host_network, leftovers, machine, paths
from dev.errors import CommandFailed, Stop
from dev.progress import say, step
from dev.run import run, succeeds

_SOCKET: Final = paths.ENGINE / "docker.sock"
_PID: Final = paths.ENGINE / "pid"
_HOST: Final = f"unix://{_SOCKET}"
_LOG: Final = paths.ENGINE / "log"
_RUNTIME: Final = paths.CHECKOUT / "dev/node/runc-without-sys-resource"
_SERVICES: Final = (
    ("dockerd", "docker.service"),
    ("dockerd", "docker.socket"),
    ("containerd", "containerd.service"),
)
"""A program, and what Debian starts with it."""


def is_private() -> bool:
    """Whether this process talks to the private engine."""
    return os.environ.get("DOCKER_HOST") == _HOST


def use() -> bool:
    """Turn to the engine that runs; False when none does."""
    if os.environ.get("DOCKER_HOST") == _HOST:
        del os.environ["DOCKER_HOST"]  # left in the shell by `make env`
    if _answers(_HOST):
        os.environ["DOCKER_HOST"] = _HOST
        os.environ["DOCKER_BUILDKIT"] = "0"  # Debian's client comes without buildx
        return True
    return _answers(None)


def ensure() -> None:
    """Turn to the engine that runs, or start a private one."""
    if use():
        return
    if not machine.can_install():
        raise Stop("No Docker engine answers: start Docker, or run this as root on Debian, where one can be started.")
    services = [service for program, service in _SERVICES if not shutil.which(program)]
    with machine.no_services_started():
        machine.require("dockerd", "docker", "jq", "iptables", "nft", "ip")
    if services:
        if use():
            return  # a policy of the machine's own had Debian start it along with the installation
        succeeds("systemctl", "disable", *services)  # nor shall they start with the machine from now on
    with step("Docker engine of our own"):
        _start()


def _answers(host: str | None) -> bool:
    env = {"DOCKER_HOST": host} if host else None
    return succeeds("docker", "version", "--format", "{{.Server.Version}}", env=env)


def _start() -> None:
    if len(str(_SOCKET)) > 100:
        raise Stop(f"The path {_SOCKET} is too long for a socket: set XDG_CACHE_HOME to a shorter one.")
    remove_remains()
    host_network.remember()
    paths.BIN.mkdir(parents=True, exist_ok=True)
    runtime = shutil.copy2(_RUNTIME, paths.ENGINE / _RUNTIME.name)
    command = [
        *("dockerd", "-H", _HOST, "--pidfile", _PID, "--data-root", paths.ENGINE / "data"),
        *("--exec-root", paths.ENGINE / "exec", "--cgroup-parent", f"/{leftovers.CGROUP}", "--bridge", "none"),
        *("--add-runtime", f"without-sys-resource={runtime}", "--default-runtime", "without-sys-resource"),
    ]
    with _LOG.open("w") as log:
        engine = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {leftovers.ENGINE_MARK: str(paths.CACHE)},
        )
    deadline = time.monotonic() + 60
    while not use():
        if engine.poll() is not None or time.monotonic() > deadline:
            last = ([*_LOG.read_text().splitlines(), "it said nothing"])[-2:]
            raise Stop(
                f"The Docker engine did not start: {last[0]} (all of it: {_LOG}). Run `make clean` and try again."
            )
        time.sleep(0.2)


def remove_remains() -> None:
    """Remove what an engine that was killed has left running, mounted or linked. Its images and containers stay."""
    leftovers.end_engine()
    machine.unmount_below(paths.ENGINE)
    host_network.remove_links()
    for stale in (_PID, _SOCKET):
        stale.unlink(missing_ok=True)
    shutil.rmtree(paths.ENGINE / "exec", ignore_errors=True)
    paths.ENGINE.mkdir(parents=True, exist_ok=True)


def stop() -> None:
    """Stop the private engine and restore the machine; the images it made stay on disk."""
    if not paths.ENGINE.exists():
        return
    if _answers(_HOST):
        with step("stop the Docker engine"):
            with suppress(ProcessLookupError):
                os.kill(int(_PID.read_text()), signal.SIGTERM)
            deadline = time.monotonic() + 30
            while _PID.exists() and time.monotonic() < deadline:
                time.sleep(0.2)
    remove_remains()
    leftovers.remove_cgroups()
    host_network.restore()


def has_image(name: str) -> bool:
    return succeeds("docker", "image", "inspect", "--format={{.Id}}", name)


def forget_others(image: str) -> None:
    """Remove older versions of an image; those that a cluster still runs on stay until it is gone."""
    names = run("docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}", image.partition(":")[0]).split()
    for name in names:
        if name != image:
            succeeds("docker", "image", "rm", name)


def pull(name: str) -> bool:
    """Pull an image if its registry answers within some seconds; a slow download is fine, silence is not."""
    try:
        run("docker", "pull", name, answer_within=20, timeout=1800)
    except CommandFailed:
        say(f"{name.partition('@')[0]} cannot be pulled, so it is made here (why: see {paths.LOG})")
        return False
    return True
