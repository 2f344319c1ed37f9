"""Programs compiled from Go modules, pinned in the module's go.mod and go.sum; and which kind and kubectl are used.

All are static (CGO_ENABLED=0), or they would not start in an image without libc; one setting for all keeps one Go
build cache. Each group is compiled once per content of its pins and put in place whole.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dev import paths, pins
from dev.errors import CommandFailed, Stop
from dev.progress import step
from dev.run import run

_GO: Final = paths.CHECKOUT / "dev/go"
_KWOK_MODULE: Final = paths.CHECKOUT / "bench/kwok"
_HELM_MODULE: Final = paths.CHECKOUT / "tests/install/helm"
_ARGO_CD_MODULE: Final = paths.CHECKOUT / "tests/gitops/argo-cd"
"""Not below dev/go: what is there is part of the node image's key."""

_MINOR: Final = pins.KUBERNETES.removeprefix("v1.").split(".")[0]
_VERSION: Final = "k8s.io/component-base/version"

_KUBERNETES: Final[Mapping[str, str]] = {
    name: f"k8s.io/kubernetes/cmd/{name}"
    for name in (
        *("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"),
        *("kubeadm", "kubectl", "kubelet"),
    )
}
_KUBERNETES_FLAGS: Final = (
    f"-s -w -X {_VERSION}.gitVersion={pins.KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor={_MINOR}"
)
_NODE: Final[Mapping[str, str]] = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "coredns": "github.com/coredns/coredns",
    "pause": "./pause",
}
_KIND: Final[Mapping[str, str]] = {"kind": "sigs.k8s.io/kind"}
_HELM: Final[Mapping[str, str]] = {"helm": "helm.sh/helm/v4/cmd/helm"}
_KWOK: Final[Mapping[str, str]] = {"kwok": "sigs.k8s.io/kwok/cmd/kwok", "logs": "./logs"}
_ARGO_CD: Final = "github.com/argoproj/argo-cd/v3"
_NEWEST_GO: Final[Mapping[str, str]] = {"GOTOOLCHAIN": "auto"}
"""Lets Go bring the later release of itself that a module asks for."""


def for_node() -> Path:
    """Everything a node image needs, in one folder."""
    require_go("the node image, which cannot be pulled,")
    kubernetes = _compile("kubernetes", _GO / "kubernetes", _KUBERNETES, _KUBERNETES_FLAGS)
    node = _compile("etcd and CoreDNS", _GO / "tools", _NODE, "-s -w")
    together = paths.PROGRAMS / f"node-{paths.digest(kubernetes.name, node.name)}"
    if not together.exists():
        with paths.scratch() as half:
            for program in (*kubernetes.iterdir(), *node.iterdir()):
                (half / program.name).hardlink_to(program)
            half.rename(together)
    link("kubectl", together / "kubectl")
    return together


def ensure_kind() -> None:
    """Put kind on our PATH: the caller's, if it has the pinned version, or else one compiled here."""
    theirs = shutil.which("kind")
    if theirs and _version_of_kind(theirs) == pins.KIND:
        return
    if not shutil.which("go"):
        raise Stop(f"kind {pins.KIND} is missing: install it, or install Go and it is compiled here.")
    link("kind", _compile("kind", _GO / "tools", _KIND, "-s -w") / "kind")


def kwok() -> Path:
    """What simulates nodes and pods for bench/scale, in one folder."""
    require_go("KWOK")
    return _compile("KWOK", _KWOK_MODULE, _KWOK, "-s -w")


def argo_cd() -> Path:
    """Argo CD for tests/gitops, in one folder: `cmd`, which is what ARGOCD_BINARY_NAME says, and a `redis` for it."""
    require_go("Argo CD")
    programs = {"argo-cd": f"{_ARGO_CD}/cmd", "redis": "./redis"}
    return _compile("Argo CD", _ARGO_CD_MODULE, programs, "-s -w", _NEWEST_GO)


def argo_cd_source() -> Path:
    """Where the manifests are that belong to it."""
    return module_folder(_ARGO_CD, _ARGO_CD_MODULE, _NEWEST_GO)


def helm() -> Path:
    """Helm, for the tests of the chart."""
    require_go("Helm")
    return _compile("Helm", _HELM_MODULE, _HELM, "-s -w") / "helm"


def _version_of_kind(program: str) -> str:
    found = re.search(r"v\d+\.\d+\.\d+\S*", run(program, "version"))
    return found[0] if found else ""


def require_go(what: str) -> None:
    if not shutil.which("go"):
        raise Stop(f"Go is missing: install Go 1.26 or later, and {what} is compiled here.")


def link(name: str, target: Path) -> None:
    """Put a program on the PATH that `env` prints."""
    paths.BIN.mkdir(parents=True, exist_ok=True)
    half = paths.BIN / f".{name}"
    half.unlink(missing_ok=True)
    half.symlink_to(target)
    half.rename(paths.BIN / name)


def module_folder(module: str, source: Path = _GO / "tools", env: Mapping[str, str] | None = None) -> Path:
    """Where Go keeps the source of a module that the go.mod in `source` pins."""
    command = ("go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module)
    folder = run(*command, cwd=source, env=env).strip()
    if not folder:
        run("go", "mod", "download", module, cwd=source, env=env)
        folder = run(*command, cwd=source, env=env).strip()
    return Path(folder)


def _compile(
    title: str, source: Path, programs: Mapping[str, str], flags: str, env: Mapping[str, str] | None = None
) -> Path:
    key = paths.digest(source, flags, *programs.values(), run("go", "version", cwd=source, env=env))
    done = paths.PROGRAMS / f"{next(iter(programs))}-{key}"
    if done.exists():
        return done
    paths.PROGRAMS.mkdir(parents=True, exist_ok=True)
    with step(f"compile {title}") as note, paths.scratch() as half:
        packages = 0

        def count(_: str) -> None:
            nonlocal packages
            packages += 1
            note(f"{packages} packages so far")

        build = ("go", "build", "-v", "-mod=readonly", "-ldflags", flags, "-o", f"{half}/")
        try:
            run(*build, *programs.values(), cwd=source, env={**(env or {}), "CGO_ENABLED": "0"}, on_line=count)
        except CommandFailed as error:
            raise Stop(
                f"Compiling {title} failed; if the network failed, run this again, it goes on there. {error}"
            ) from error
        if (half / "server").exists():
            (half / "server").rename(half / "etcd")  # Go names a program after its package's folder
        half.rename(done)
    return done
