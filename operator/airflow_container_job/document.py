"""A JSON object that is kept as text, and read when it is used: what the operator remembers of ten thousand resources.

As Python objects a small resource takes 6 KB and its pod 9 KB, as text a fifth of that. Most of them rest; those that
are looked at just now stay decoded for a while. What comes out is shared, and must not be changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

HOT: Final = 512
"""Documents that stay decoded."""


class Document(Mapping[str, Any]):
    """A mapping like any other, in a fifth of the memory."""

    __slots__ = ("_text",)

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._text = json.dumps(content, separators=(",", ":")).encode()

    def __getitem__(self, key: str) -> Any:
        return _decoded(self._text)[key]

    def __iter__(self) -> Iterator[str]:
        return iter(_decoded(self._text))

    def __len__(self) -> int:
        return len(_decoded(self._text))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Document):
            return self._text == other._text or _decoded(self._text) == _decoded(other._text)
        return isinstance(other, Mapping) and _decoded(self._text) == other

    __hash__ = None  # type: ignore[assignment]  # equal to dicts, which have none

    def __repr__(self) -> str:
        return repr(_decoded(self._text))


@lru_cache(maxsize=HOT)
def _decoded(text: bytes) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(text)
    return found
