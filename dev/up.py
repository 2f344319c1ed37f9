"""The order of things for `up`, `down` and `clean`: what waits for what, and what runs meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from dev import (
    binaries,
    cluster,
    engine,
    images,
    install,
    leftovers,
    machine,
    node_image,
    paths,
    postgres_image,
    settings,
)
from dev.errors import Stop
from dev.progress import say
from dev.run import meanwhile


def up() -> None:
    """Bring everything up, from whatever state the machine is in."""
    if settings.current_cluster():
        install.install({})
        return
    _tidy()
    engine.ensure()
    with meanwhile() as background:
        building = background.submit(images.build)
        binaries.ensure_kind()
        cluster.ensure(node_image.ensure())
        built = building.result()
    images.load(built)
    install.install(built)


@contextmanager
def instead(overlay: str) -> Iterator[None]:
    """Have another overlay in place of the development one for the block; Airflow's database is empty before and after.

    If this is killed, the next `up` brings back the development one.
    """
    if settings.current_cluster():
        raise Stop(f"The overlay {overlay} needs the kind cluster that `make up` makes: leave CLUSTER out.")
    built = {**images.build(), **postgres_image.ensure()}
    images.load(built)
    try:
        install.install(built, overlay)
        yield
    finally:
        install.install(built)


def down() -> None:
    """Remove the cluster, whatever is left of it; the engine goes on."""
    if settings.current_cluster():
        raise Stop(
            "The current cluster is not ours to remove. To take out of it what `make up` installed, with all jobs "
            "and all of the namespace airflow: `kubectl delete acj --all -A` while the operator is there to end them, "
            "then `kubectl delete -k manifests/overlays/development`."
        )
    _tidy()
    if not engine.use():
        paths.KUBECONFIG.unlink(missing_ok=True)
        say("no engine runs, so no cluster does")
        return
    node_image.forget_filling()
    if cluster.exists():
        cluster.delete()


def clean() -> None:
    """Remove the cluster and the engine that was started here; what was compiled and made stays."""
    down()
    in_theirs = engine.use() and not engine.is_private()
    engine.stop()
    say(f"programs and images made here are kept for the next time; to be rid of them: rm -rf {paths.CACHE}")
    if in_theirs and (kept := images.left()):
        say(f"so are images in your own Docker engine; to be rid of them: docker image rm {' '.join(kept)}")


def _tidy() -> None:
    """Deal with what a run that was killed has left."""
    leftovers.end_commands()
    machine.allow_services()
    machine.unmount_below(paths.CACHE / "scratch")
    paths.clear_scratch()
