"""JSON that Airflow's triggerer and its database can carry: the texts that may become a result.

Called by `outcome` on what a container left. Refuses with ValueError what would stop the triggerer with all its tasks,
or fail in PostgreSQL. Standard library only.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

DEPTH_LIMIT: Final = 50
"""How deep lists and objects may be nested."""


RESERVED: Final = frozenset({"__classname__", "__id__", "__type"})
"""Keys by which Airflow knows an object of a Python class: it refuses to store them, or makes one for who reads it."""


def parse(text: str) -> Any:
    """Read a JSON text; raises ValueError where it is none, or none that can be stored."""
    try:
        return _checked(json.loads(text, parse_constant=_no_json), DEPTH_LIMIT)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _checked(value: Any, depth: int) -> Any:
    if not depth:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        if not RESERVED.isdisjoint(value):
            raise ValueError("a key is Airflow's own")
        return {_checked(key, depth): _checked(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_checked(item, depth - 1) for item in value]
    if isinstance(value, str):
        value.encode()  # refuses halves of surrogate pairs
        if "\0" in value:
            raise ValueError("a text holds NUL")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("no number")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a number is too large")
    return value


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
