"""Where results go: bench/results/, as JSON with the time and the machine, and as a table to read.

Used by every benchmark. Names no host and no path.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """What was measured on, and which versions of what matters."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    answer = subprocess.run(["kubectl", "version", "-o", "json"], capture_output=True, text=True, check=True).stdout
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "kernel": platform.release().partition("-")[0],
        "kubernetes": json.loads(answer)["serverVersion"]["gitVersion"],
        "airflow": version("apache-airflow"),
    }


def now() -> str:
    """When something was measured."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def save(name: str, about: str, data: Any, tables: Sequence[str], machines: Iterable[Mapping[str, Any]]) -> None:
    """Write a benchmark's results: `name`.json with everything, `name`.md to read, with its plots if there are any.

    `machines`: what `machine` told when each part was measured.
    """
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({"results": data}, indent=1) + "\n")
    on = sorted({_described(one) for one in machines})
    plots = [f"![{plot.stem}]({plot.name})" for plot in sorted(FOLDER.glob(f"{name}-*.png"))]
    (FOLDER / f"{name}.md").write_text("\n\n".join([f"# {about}", *on, *tables, *plots]) + "\n")


def _described(told: Mapping[str, Any]) -> str:
    return (
        f"Measured on {told['cores']} cores, {told['memory_gib']} GiB, Kubernetes {told['kubernetes']}, "
        f"Airflow {told['airflow']}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a Markdown table; the first column is text, the others are numbers or short."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
