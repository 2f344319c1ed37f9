"""kind's node image: the published one, or one made here of Debian packages and compiled programs.

The one made here follows kind's own Dockerfile (images/base in kind's module, from where its files are taken), with
four differences, each because a machine without registry and without CAP_SYS_RESOURCE wants it: Debian's containerd
and runc; no OOM score below the machine's; `ptp` as the pod network (cluster.py lays it); images that hold nothing but
one static program, under the names kubeadm asks for.
"""

import re
import shutil
from pathlib import Path
from typing import Final

from dev import binaries, debian, machine, paths, pins
from dev.engine import forget_others, has_image, pull
from dev.progress import step
from dev.run import docker, meanwhile, run, succeeds

_PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "containerd", "runc", "iptables", "nftables", "iproute2", "conntrack"),
    *("ethtool", "socat", "kmod", "jq", "procps", "containernetworking-plugins", "ca-certificates", "curl"),
    *("hostname", "mount", "pigz", "busybox-static"),
)
_SOURCES: Final = tuple(paths.CHECKOUT / "dev" / name for name in ("node_image.py", "debian.py", "node", "go"))
_PREPARE: Final = paths.CHECKOUT / "dev/node/prepare"
_RUNTIME: Final = paths.CHECKOUT / "dev/node/runc-without-sys-resource"
_FILLING: Final = "airflow-container-job-node"
"""The container in which a node's image is filled."""

_PATH: Final = "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def made_name() -> str:
    return f"airflow-container-job/node:{pins.KUBERNETES}-{paths.digest(pins.KUBERNETES, pins.DEBIAN, *_SOURCES)}"


def ensure() -> str:
    """Name of the image, after making sure that it is there."""
    made = made_name()
    if has_image(made):
        return made
    if has_image(pins.NODE_IMAGE) or pull(pins.NODE_IMAGE):
        return pins.NODE_IMAGE
    binaries.require_go("the node image, which cannot be pulled,")
    machine.require_space(15, "Compiling Kubernetes and making its node image")
    with meanwhile() as background:
        compiling = background.submit(binaries.for_node)
        with debian.root_folder("the node", *_PACKAGES) as root:
            _add_files(root)
            programs = compiling.result()
            with step("node image"):
                _make(made, root, programs)
    forget_others(made)
    return made


def _add_files(root: Path) -> None:
    """What kind's own base image has: its entrypoint, units and settings, straight from kind's module."""
    files = binaries.module_folder("sigs.k8s.io/kind") / "images/base/files"
    for folder in ("usr", "kind", "etc"):
        run("cp", "-r", "--no-preserve=mode", files / folder, f"{root}/")
    for program in (*(root / "usr/local/bin").iterdir(), *(root / "kind/bin").iterdir()):
        program.chmod(0o755)
    shutil.copy2(_RUNTIME, root / "usr/local/sbin")
    shutil.copy2(_PREPARE, root / "prepare")
    run("chroot", root, "/prepare")
    (root / "prepare").unlink()


def _make(name: str, root: Path, programs: Path) -> None:
    for program in ("kubeadm", "kubelet", "kubectl"):
        shutil.copy2(programs / program, root / "usr/bin")
    (root / "kind/version").write_text(f"{pins.KUBERNETES}\n")
    base = "airflow-container-job/node-base"
    debian.import_image(root, base)
    images = _component_images(root, programs)
    try:
        _fill(base, images)
    finally:
        forget_filling()
    instructions = (
        f"FROM {base}",
        "ENV container=docker",
        "STOPSIGNAL SIGRTMIN+3",
        'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
    )
    docker("build", "--tag", name, "-", stdin="\n".join(instructions))
    docker("image", "rm", "--force", *images)


def _component_images(root: Path, programs: Path) -> list[str]:
    """Make the images that kubeadm and containerd ask for, under the names they ask for, and busybox."""
    wanted = run(programs / "kubeadm", "config", "images", "list", "--kubernetes-version", pins.KUBERNETES).split()
    settings = (root / "etc/containerd/config.toml").read_text()
    wanted += re.findall(r'sandbox_image = "(.*)"', settings)
    for image in sorted(set(wanted)):
        program = image.rpartition("/")[2].partition(":")[0]
        with paths.scratch() as folder:
            if program == "kube-proxy":
                _copy_iptables(root, folder)
            (folder / "usr/local/bin").mkdir(parents=True)
            shutil.copy2(programs / program, folder / "usr/local/bin")
            entrypoint = f'ENTRYPOINT ["/usr/local/bin/{program}"]'
            # kubeadm's manifests name the program themselves; a pod's sandbox and CoreDNS rely on the entrypoint
            debian.import_image(folder, image, _PATH, *([entrypoint] if program in ("pause", "coredns") else []))
    _busybox_image(root)
    return [*sorted(set(wanted)), pins.BUSYBOX_IMAGE]


def _copy_iptables(root: Path, folder: Path) -> None:
    """Give kube-proxy iptables, its extensions and what they link to, out of the node's root folder."""
    tools = [f"usr/sbin/{family}{verb}" for family in ("iptables", "ip6tables") for verb in ("", "-save", "-restore")]
    extensions = next((root / "usr/lib").glob("*/xtables")).relative_to(root)
    linking = ["usr/sbin/xtables-nft-multi", "usr/sbin/conntrack"]
    linking += [each.relative_to(root).as_posix() for each in (root / extensions).glob("*.so")]
    found = re.findall(r"/\S+\.so\S*(?= \(0x)", run("chroot", root, "ldd", *(f"/{each}" for each in linking)))
    libraries = sorted({path.lstrip("/") for path in found})
    script = 'set -o pipefail; from=$1 to=$2; shift 2; tar -C "$from" -h -c "$@" | tar -C "$to" -x'
    run("bash", "-c", script, "copy", root, folder, *tools, "usr/sbin/conntrack", extensions, *libraries)


def _busybox_image(root: Path) -> None:
    with paths.scratch() as folder:
        (folder / "bin").mkdir()
        (folder / "tmp").mkdir()
        (folder / "tmp").chmod(0o1777)
        shutil.copy2(root / "bin/busybox", folder / "bin")
        for applet in run(folder / "bin/busybox", "--list").split():
            if applet != "busybox":
                (folder / "bin" / applet).symlink_to("busybox")
        debian.import_image(folder, pins.BUSYBOX_IMAGE, "ENV PATH=/bin", 'CMD ["sh"]')


def _fill(base: str, images: list[str]) -> None:
    """Put images into the containerd of the node's image, and keep the result under the same name."""
    container = _FILLING
    forget_filling()
    docker("run", "--detach", "--privileged", "--network=none", "--name", container, "--entrypoint=sleep", base, "1h")
    docker("exec", "--detach", container, "containerd")
    ready = "for i in $(seq 100); do ctr version >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1"
    docker("exec", container, "sh", "-c", ready)
    script = 'set -o pipefail; node=$1; shift; docker save "$@" | docker exec -i "$node" ctr -n k8s.io images import -'
    run("bash", "-c", script, "load", container, *images)
    stop = "pkill containerd; while pgrep containerd; do sleep 0.1; done"
    docker("exec", container, "sh", "-c", stop)
    docker("commit", container, base)


def forget_filling() -> None:
    """Remove the container in which an image was filled; one that a killed run has left, too."""
    succeeds("docker", "rm", "--force", _FILLING, timeout=60)
