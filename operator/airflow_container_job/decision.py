"""That a run shall be, fixed in the resource before anything is asked of Airflow (docs/decisions/0003).

Written as an annotation together with the finalizer, read back by every later look, also after a crash.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

NOT_EXECUTION: Final = frozenset(
    {
        "suspend",
        "shutdown",
        "startDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "podRetention",
        "rerunPolicy",
        "rerun",
        "priority",
    }
)
"""Fields of the spec whose change alone does not change what is executed. `rerun` has a rule of its own."""

LAST_YEAR: Final = 9000
"""To times until then any number of seconds that a spec can name may be added."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decided run of one resource.

    The id depends on nothing but the resource's uid and the generation the decision was made at, so whoever repeats
    the request, after whatever crash, names the same DagRun.
    """

    uid: str
    generation: int
    digest: str
    """Of what is executed: tells a changed spec from a touched one. Empty when it was lost."""
    rerun: str
    """Of `spec.rerun`, the text that asks for another run by being a new one."""
    dag_id: str
    """The DAG it runs in, which a later spec may no longer name. Empty when it was lost."""
    decided_at: str
    """RFC 3339; from here `spec.startDeadlineSeconds` counts."""

    @property
    def dag_run_id(self) -> str:
        """The id of its DagRun."""
        return f"acj-{self.uid}-{self.generation}"

    @classmethod
    def of(cls, uid: str, generation: int, spec: Mapping[str, Any], dag_id: str, now: datetime) -> Self:
        """Decide a run for this version of the resource."""
        return cls(uid, generation, digest(spec), rerun_digest(spec), dag_id, stamp(now))

    @classmethod
    def load(cls, uid: str, annotation: str, status: Mapping[str, Any]) -> Self | None:
        """Read the decision from its annotation; None when there is none.

        Where somebody has removed or overwritten it, the run that the status names tells the generation; the digests
        are lost then, and any later change of the spec counts as one that calls for a run. Where there is no status
        either, deciding again names the same run, as long as the spec is the same.
        """
        said = _read(annotation)
        if said.get("uid") == uid and _is_generation(said.get("generation")):  # else copied with another resource
            return cls(**{key: said[name] for key, name in _FIELDS.items()})
        number = _GENERATION.fullmatch(str(status.get("dagRunId", "")).removeprefix(f"acj-{uid}-"))
        return None if number is None else cls(uid, int(number[0]), "", "", str(status.get("dagId", "")), "")

    def dump(self) -> str:
        """Write the annotation's text."""
        values = asdict(self)
        return json.dumps({name: values[key] for key, name in _FIELDS.items()}, separators=(",", ":"))


_FIELDS: Final[Mapping[str, str]] = {
    "uid": "uid",
    "generation": "generation",
    "digest": "digest",
    "rerun": "rerun",
    "dag_id": "dagId",
    "decided_at": "decidedAt",
}

_GENERATION: Final = re.compile(r"[1-9]\d{0,17}", re.ASCII)
"""What may be one: Kubernetes counts them in 64 bits, from 1 on."""


def _read(annotation: str) -> Mapping[str, Any]:
    """Read the annotation, which whoever may edit the resource can write, field by field: what is no text is lost."""
    try:
        said = json.loads(annotation)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    texts = {name: value if isinstance(value := said.get(name), str) else "" for name in _FIELDS.values()}
    decided_at = texts["decidedAt"] if parse_time(texts["decidedAt"]) is not None else ""
    return texts | {"generation": said.get("generation"), "decidedAt": decided_at}


def _is_generation(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**63


def digest(spec: Mapping[str, Any]) -> str:
    """Fingerprint of what is executed: 16 hexadecimal digits, the same for the same content in any order of keys."""
    return _fingerprint({key: value for key, value in spec.items() if key not in NOT_EXECUTION})


def rerun_digest(spec: Mapping[str, Any]) -> str:
    """Fingerprint of the text that asks for another run; empty where there is none."""
    return _fingerprint(spec["rerun"]) if "rerun" in spec else ""


def _fingerprint(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stamp(time: datetime) -> str:
    """Write a time as Kubernetes does."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str | None) -> datetime | None:
    """Read an RFC 3339 time with its zone; None also where it is none that we can count with, as of the year 0."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return None if found.tzinfo is None or found.year > LAST_YEAR else found
