"""What is up, for people (`status`) and for shells (`env`). Changes nothing."""

import os
import shlex

from dev import airflow, cluster, credentials, engine, paths, settings
from dev.errors import Stop
from dev.run import kubectl


def status() -> None:
    print(f"engine:   {_engine()}")
    facts = cluster.facts()
    if not (settings.current_cluster() or facts):
        print("cluster:  none, or one that is half made (make up)")
        return
    print(f"cluster:  {'current context' if settings.current_cluster() else facts}")
    print(f'airflow:  {airflow.url()}  (eval "$(make -s env)" has user and password)')
    pods = kubectl(
        "get", "pods", "--all-namespaces", "--selector=app.kubernetes.io/name in (airflow, airflow-container-job)"
    )
    print(pods, end="")


def _engine() -> str:
    if not engine.use():
        return "none runs"
    return "a private one (make clean ends it)" if engine.is_private() else "the one of the current Docker context"


def env() -> None:
    """Print what a shell needs to talk to what is up."""
    engine.use()
    users = credentials.read("airflow", "airflow-users") if settings.current_cluster() or cluster.facts() else {}
    if not users:
        raise Stop("Nothing is up: run `make up` first.")
    values = {
        "AIRFLOW_URL": airflow.url(),
        "AIRFLOW_USERNAME": credentials.ADMIN,
        "AIRFLOW_PASSWORD": users[credentials.ADMIN],
    }
    if not settings.current_cluster():
        values["KUBECONFIG"] = str(paths.KUBECONFIG)
    if engine.is_private():
        values["DOCKER_HOST"] = os.environ["DOCKER_HOST"]
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")
    print(f'export PATH={shlex.quote(str(paths.BIN))}:"$PATH"')
