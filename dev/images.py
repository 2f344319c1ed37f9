"""The project's own images: built when what goes into them changed, and loaded into the cluster.

A tag is the content: nothing is built or loaded twice, and a Deployment rolls exactly when its image differs.
"""

from collections.abc import Mapping
from typing import Final

from dev import base_image, cluster, machine, paths, pins
from dev.engine import forget_others, has_image, is_private, pull
from dev.progress import step
from dev.run import docker, run, succeeds

Images = Mapping[str, str]
"""Name of an image as manifests/ have it -> the one to run in its place."""

_DEFAULT_TAG: Final = "dev"
_SHARED: Final = ("Dockerfile", "pyproject.toml", "requirements/build.txt", "dags/dynamic_pod")
_INPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "operator": (*_SHARED, "requirements/operator.txt", "operator/airflow_container_job"),
    "airflow": (*_SHARED, "requirements/airflow.txt", "docker", "dags"),
}
"""Target of the Dockerfile -> what it copies."""


def build() -> Images:
    """Build each target whose inputs changed."""
    base = base_image.ensure()
    built = {}
    for target, inputs in _INPUTS.items():
        repository = f"airflow-container-job/{target}"
        image = f"{repository}:{paths.digest(base, *(paths.CHECKOUT / name for name in inputs))}"
        if not has_image(image):
            machine.require_space(5, "Building the images")
            with step(f"image of the {target}"):
                _build(target, image, base)
            forget_others(image)
        docker("tag", image, f"{repository}:{_DEFAULT_TAG}")
        built[f"{repository}:{_DEFAULT_TAG}"] = image
    return built


def _build(target: str, image: str, base: str) -> None:
    arguments = [f"BASE_IMAGE={base}", f"REVISION={_revision()}"]
    arguments += ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST"]
    network = ["--network=host"] if is_private() else []
    run(
        *("docker", "build", f"--target={target}", f"--tag={image}", *network),
        *(f"--build-arg={argument}" for argument in arguments),
        paths.CHECKOUT,
        env={"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},  # with them, kind cannot load the image
    )


def _revision() -> str:
    """The commit that is built, marked where files differ from it; nothing where this is no clone."""
    describe = ("git", "-C", paths.CHECKOUT, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40")
    return run(*describe).strip() if succeeds("git", "-C", paths.CHECKOUT, "rev-parse") else ""


def load(images: Images) -> None:
    """Put our images and busybox into every node that lacks them."""
    wanted = list(images.values())
    if not _nodes_have(pins.BUSYBOX_IMAGE) and (has_image(pins.BUSYBOX_IMAGE) or pull(pins.BUSYBOX_IMAGE)):
        wanted.append(pins.BUSYBOX_IMAGE)
    if missing := [image for image in wanted if not _nodes_have(image)]:
        with step("load images into the cluster") as note:
            note(", ".join(missing))
            _load(missing)


def _load(images: list[str]) -> None:
    """Not by `kind load docker-image`: where Docker keeps images in containerd, it fails for all that were pulled.

    Such an image is an index of platforms of which one was fetched, and kind saves and loads the whole index:
    https://github.com/kubernetes-sigs/kind/issues/3795.
    """
    version = docker("version", "--format={{.Client.APIVersion}} {{.Server.Os}}/{{.Server.Arch}}")
    with paths.scratch() as folder:
        archive = folder / "images.tar"
        docker("save", f"--output={archive}", *_one_platform(version), *images)
        run("kind", "load", "image-archive", archive, f"--name={cluster.NAME}")


def _one_platform(version: str) -> list[str]:
    """The option to save the engine's own platform only, where client and engine know it: from API 1.48 on."""
    api, platform = version.split()
    return [f"--platform={platform}"] if tuple(map(int, api.split("."))) >= (1, 48) else []


def left() -> list[str]:
    """What the engine keeps after the cluster: images that were made here, and those that were pulled."""
    made = docker("image", "ls", "--format={{.Repository}}:{{.Tag}}", "airflow-container-job/*").split()
    pulled = (pins.NODE_IMAGE, pins.PYTHON_IMAGE, pins.BUSYBOX_IMAGE, pins.POSTGRES_IMAGE)
    return [*made, *filter(has_image, pulled)]


def _nodes_have(image: str) -> bool:
    command = ("ctr", "--namespace=k8s.io", "images", "list", "--quiet", f"name~={image}$")
    return all(docker("exec", node, *command).strip() for node in cluster.nodes())
