"""What the caller chose through the environment or on make's command line; read by the commands, checked here."""

import os

from dev.errors import Stop


def _number(name: str, least: int, most: int) -> int | None:
    text = os.environ.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or not least <= int(text) <= most:
        raise Stop(f"{name}={text} is not a number from {least} to {most}.")
    return int(text)


def current_cluster() -> bool:
    """Whether to install into the current kubeconfig context instead of a kind cluster of our own."""
    choice = os.environ.get("CLUSTER", "")
    if choice not in ("", "kind", "current"):
        raise Stop(f"CLUSTER={choice} is unknown: use CLUSTER=current, or leave it out for a kind cluster.")
    return choice == "current"


def workers() -> int | None:
    """How many worker nodes beside the control plane; None keeps what is there."""
    return _number("WORKERS", 0, 9)


def airflow_port() -> int | None:
    """The port on 127.0.0.1 where Airflow answers; None keeps what is there."""
    return _number("AIRFLOW_PORT", 1, 65535)
