"""The generator of the CRD, on small documents of its own; the whole is compared with a real API server's elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_container_job import status
from airflow_container_job.events import EVENTS
from airflow_container_job.reasons import REASONS
from crds import generate, reference
from tests.support.specs import properties
from tests.unit.operator.builders import NOW, ended, facts, job

CRDS = Path(__file__).parents[2] / "crds"
CORE = "io.k8s.api.core.v1."


def published(**schemas: Any) -> Any:
    return generate.Published({CORE + name: schema for name, schema in schemas.items()})


def ref(name: str) -> dict[str, Any]:
    return {"default": {}, "allOf": [{"$ref": f"#/components/schemas/{CORE}{name}"}]}


TEXT = {"type": "string", "default": ""}


def test_references_are_resolved_and_the_words_at_the_place_win() -> None:
    inner = {"type": "object", "description": "Inner.", "properties": {"b": TEXT, "a": TEXT}, "required": ["b"]}
    outer = {"type": "object", "properties": {"inner": ref("Inner") | {"description": "Here."}}}
    assert published(Inner=inner, Outer=outer).find("Outer.inner") == {
        "description": "Here.",
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "required": ["b"],
    }


def test_defaults_that_say_something_are_kept() -> None:
    outer = {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}, "name": TEXT}}
    properties = published(Outer=outer).find("Outer")["properties"]
    assert properties == {"name": {"type": "string"}, "protocol": {"type": "string", "default": "TCP"}}


def test_what_is_called_effectively_required_is_required() -> None:
    name = TEXT | {"description": "Name. This field is effectively required, but may be empty."}
    outer = {"type": "object", "properties": {"name": name}}
    assert published(Outer=outer).find("Outer")["required"] == ["name"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "object"}, "object of any content"),
        ({"type": "string", "x-kubernetes-new": 1}, "nobody has decided about: x-kubernetes-new"),
    ],
)
def test_what_would_open_the_schema_is_refused(schema: Any, words: str) -> None:
    outer = {"type": "object", "properties": {"field": schema}}
    with pytest.raises(generate.GenerationError, match=words):
        published(Outer=outer).find("Outer")


def test_a_property_that_kubernetes_lacks_is_named() -> None:
    with pytest.raises(generate.GenerationError, match=r"publishes no Outer\.colour"):
        published(Outer={"type": "object", "properties": {}}).find("Outer.colour")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("One. Two.", "One. Two."),
        ("One. L" + "ong " * 40 + "end.", "One."),
        ("For things, e.g. Pods. More info: https://x", "For things, e.g. Pods."),
        ("First\nline.\n\nSecond paragraph.", "First line."),
        ("w" * 293 + " and so on", "w" * 293 + " and ..."),
    ],
)
def test_descriptions_are_shortened_at_a_sentence(text: str, short: str) -> None:
    assert generate.shorten(text) == short


def test_ours_is_laid_over_theirs() -> None:
    base = {"items": {"required": ["name"], "properties": {"image": {"type": "string"}}}}
    ours = {"items": {"required": ["image", "name"], "properties": {"image": {"minLength": 1}}}}
    assert generate.lay_over(base, ours) == {
        "items": {"required": ["image", "name"], "properties": {"image": {"type": "string", "minLength": 1}}}
    }


def test_a_cluster_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "_get", lambda _path: {"gitVersion": "v1.35.0"})
    with pytest.raises(generate.GenerationError, match=r"made from Kubernetes v1\.34, but this cluster runs v1\.35\.0"):
        generate.fetch()


def test_the_status_we_write_has_no_field_that_the_crd_would_drop() -> None:
    """From a patch the API server drops unknown fields in silence, and the operator would write them for ever."""
    links = status.Links("container_job", "http://airflow")
    written = status.derive(job(), facts("failed", ended(3, "words")), links, NOW)
    known = properties("status")
    assert written.keys() <= known.keys()
    for name in ("attempts", "conditions", "runs"):
        assert written[name][0].keys() <= known[name]["items"]["properties"].keys()
    assert {one["type"] for one in written["conditions"]} <= reference.CONDITIONS.keys()
    assert status.invalid(job(), "words", NOW).keys() <= known.keys()


def test_the_reference_is_up_to_date() -> None:
    """As far as the CRD is: that is compared with a real API server's schemas elsewhere."""
    crd, source = (yaml.safe_load((CRDS / name).read_text()) for name in ("airflowcontainerjobs.yaml", "source.yaml"))
    assert reference.render(crd, source, generate.KUBERNETES) == generate.REFERENCE.read_text(), "run `make crds`"


def test_the_reference_leaves_nothing_out() -> None:
    text = generate.REFERENCE.read_text()
    words = [*properties("spec"), *properties("status"), *reference.PHASES, *reference.CONDITIONS, *EVENTS]
    nested = ("attempts[].cause", "runs[].number", "backoff.factor", "podFailurePolicy.rules[].onExitCodes.values")
    reasons = [reason for of_phase in REASONS.values() for reason in of_phase]
    assert [word for word in (*words, *nested, *reasons) if f"`{word}`" not in text] == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, ""),
        ({"type": "integer", "minimum": 0, "maximum": 10}, "0 to 10"),
        ({"type": "integer", "minimum": 1, "maximum": 2**31 - 1}, "at least 1"),
        ({"type": "boolean", "default": False}, "default `false`"),
        ({"type": "string", "enum": ["A", "B"], "default": "A"}, "default `A`, one of `A`, `B`"),
        ({"type": "string", "minLength": 1, "maxLength": 5}, "1 to 5 characters"),
        ({"type": "string", "minLength": 1}, "not empty"),
        ({"type": "array", "maxItems": 5}, "at most 5 items"),
    ],
)
def test_limits_are_told_in_words(schema: Any, words: str) -> None:
    assert reference.limits(schema) == words
