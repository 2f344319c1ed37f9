"""Random specs of the resource, made from the CRD's own schema: whatever `kubectl apply` would take, and worse texts.

Used by the property tests. Objects carry a few of their optional fields at a time, so that deep places are reached in
small examples.
"""

from __future__ import annotations

from typing import Any, Final

import yaml
from hypothesis import strategies as st

from tests.support.cluster import CRD, Json

SOME: Final = 3
"""Optional fields, or items, at once."""

NASTY: Final = (
    "{{ 7*7 }}",
    "{{ conn.get('x').password }}",
    "{% raw %}{#",
    "$(VAR)",
    "$$(VAR)",
    "${VAR} `id` $(id)",
    "'\"\\",
    "a\nb\r\n\tc\n",
    " spaces ",
    "ünï¢ødé ☃ 𝄞 \u202e",
    "\u2028\x7f",
    "null",
    "0o17",
    "- a: b",
)
"""Texts that something on the way might take for more than text."""

QUANTITIES: Final = (0, 1, "100m", "1.5Gi", "1e9", "+.5", "12Ki")


def properties(of: str) -> Json:
    """The fields of `spec` or `status`, each with its schema."""
    crd = yaml.safe_load(CRD.read_text())
    found: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][of]["properties"]
    return found


def values(schema: Json) -> st.SearchStrategy[Any]:
    """Values that fit a schema."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return st.sampled_from(QUANTITIES) if "pattern" in schema else st.one_of(st.integers(0, 65535), texts({}))
    return _KINDS[schema["type"]](schema)


def texts(schema: Json) -> st.SearchStrategy[str]:
    """Texts that fit a schema, nasty ones among them."""
    low, high = schema.get("minLength", 0), schema.get("maxLength", 40)
    if "pattern" in schema:
        found = st.from_regex(schema["pattern"].replace("$", r"\Z"))
        return found.filter(lambda text: low <= len(text) <= high and text.isascii())
    free = st.text(st.characters(exclude_categories=["Cs"]), min_size=low, max_size=min(high, 40))
    return st.one_of(st.sampled_from(NASTY), free)


def _objects(schema: Json) -> st.SearchStrategy[Json]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        leaf = st.one_of(st.none(), st.booleans(), st.integers(), texts({}))
        nested = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(texts({}), inner), max_leaves=5)
        return st.dictionaries(texts({}), nested, max_size=SOME)
    if "additionalProperties" in schema:
        return st.dictionaries(texts({}), values(schema["additionalProperties"]), max_size=SOME)
    return objects(schema["properties"], set(schema.get("required", ())))


@st.composite
def objects(draw: st.DrawFn, fields: Json, required: set[str]) -> Json:
    """Objects with the required fields of these, and some others."""
    optional = sorted(fields.keys() - required)
    chosen = draw(st.sets(st.sampled_from(optional), max_size=SOME)) if optional else set()
    return {name: draw(values(fields[name])) for name in sorted(required | chosen)}


def _integers(schema: Json) -> st.SearchStrategy[int]:
    return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1))


def _lists(schema: Json) -> st.SearchStrategy[list[Any]]:
    return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=SOME)


_KINDS: Final = {
    "string": texts,
    "integer": _integers,
    "boolean": lambda _: st.booleans(),
    "array": _lists,
    "object": _objects,
}
