"""`make demo`: everything up, two resources applied, their table watched until both have ended, the results shown."""

import json
import sys
import time
from typing import Any, Final

from dev import airflow, credentials, paths, up
from dev.errors import Stop
from dev.progress import say
from dev.run import kubectl

_NAMES: Final = ("hello", "wordcount")
_NAMESPACE: Final = "--namespace=default"
_KIND: Final = "airflowcontainerjobs"
_ENDS: Final = ("Succeeded", "Failed")
_PATIENCE: Final = 300


def demo() -> None:
    """Fails unless both examples succeed."""
    up.up()
    for name in _NAMES:
        example = paths.CHECKOUT / "examples" / f"{name}.yaml"
        say(f"kubectl apply -f examples/{name}.yaml")
        # A finished job is not run again by applying it unchanged.
        kubectl("delete", _NAMESPACE, "--ignore-not-found", "--timeout=120s", f"--filename={example}")
        kubectl("apply", _NAMESPACE, f"--filename={example}")
    jobs = _watch()
    print()
    for job in jobs:
        print(f"{job['metadata']['name']}: {json.dumps(job['status'].get('result', job['status']['phase']))}")
    print(_HINTS.format(url=airflow.url(), user=credentials.ADMIN))
    if failed := [job["metadata"]["name"] for job in jobs if job["status"]["phase"] != "Succeeded"]:
        raise Stop(f"Not succeeded: {', '.join(failed)}. Look with `kubectl describe acj {' '.join(failed)}`.")


_HINTS: Final = """
Everything is left up. To look further:
  eval "$(make -s env)"                   a shell that knows the cluster and Airflow's password
  kubectl get acj hello -o yaml           the whole status
  kubectl get acj -o wide                 with pod, DagRun and image
  {url}                   Airflow: sign in as {user} with $AIRFLOW_PASSWORD
  make down                               removes the cluster;  make clean: the engine, too
"""


def _watch() -> list[dict[str, Any]]:
    """Show the table until both have ended: redrawn on a terminal, elsewhere each line that tells something new."""
    deadline = time.monotonic() + _PATIENCE
    table: list[str] = []
    seen: list[Any] = []
    while True:
        jobs = json.loads(kubectl("get", _KIND, *_NAMES, _NAMESPACE, "--output=json"))["items"]
        lines = kubectl("get", _KIND, *_NAMES, _NAMESPACE).splitlines()
        turns = [(job.get("status", {}).get("phase"), job.get("status", {}).get("reason")) for job in jobs]
        if sys.stdout.isatty():
            print("\033[A\033[2K" * len(table) + "\n".join(lines), flush=True)
            table = lines
        elif turns != seen:
            old = seen or [None] * len(turns)
            fresh = [line for line, before, now in zip(lines[1:], old, turns, strict=True) if before != now]
            print(*([] if seen else lines[:1]), *fresh, sep="\n", flush=True)
        seen = turns
        if all(phase in _ENDS for phase, _ in turns):
            return list(jobs)
        if time.monotonic() > deadline:
            raise Stop(
                f"The examples have not ended after {_PATIENCE} s: `kubectl describe acj` tells what they wait for."
            )
        time.sleep(0.5)
