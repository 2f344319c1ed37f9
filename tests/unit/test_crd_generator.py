"""The generator of the CRD, on small documents of its own; the whole is compared with a real API server's elsewhere."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from airflow_container_job import conf, status
from airflow_container_job.conf import SPEC_KEYS
from tests.unit.operator.builders import NOW, ended, facts, job

CRDS = Path(__file__).parents[2] / "crds"
CORE = "io.k8s.api.core.v1."


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """crds/generate.py, which is a script beside the file it makes, in no package."""
    spec = importlib.util.spec_from_file_location("generate", CRDS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


def published(generate: ModuleType, **schemas: Any) -> Any:
    return generate.Published({CORE + name: schema for name, schema in schemas.items()})


def ref(name: str) -> dict[str, Any]:
    return {"default": {}, "allOf": [{"$ref": f"#/components/schemas/{CORE}{name}"}]}


TEXT = {"type": "string", "default": ""}


def test_references_are_resolved_and_the_words_at_the_place_win(generate: ModuleType) -> None:
    inner = {"type": "object", "description": "Inner.", "properties": {"b": TEXT, "a": TEXT}, "required": ["b"]}
    outer = {"type": "object", "properties": {"inner": ref("Inner") | {"description": "Here."}}}
    assert published(generate, Inner=inner, Outer=outer).find("Outer.inner") == {
        "description": "Here.",
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "required": ["b"],
    }


def test_defaults_that_say_something_are_kept(generate: ModuleType) -> None:
    outer = {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}, "name": TEXT}}
    properties = published(generate, Outer=outer).find("Outer")["properties"]
    assert properties == {"name": {"type": "string"}, "protocol": {"type": "string", "default": "TCP"}}


def test_what_is_called_effectively_required_is_required(generate: ModuleType) -> None:
    name = TEXT | {"description": "Name. This field is effectively required, but may be empty."}
    outer = {"type": "object", "properties": {"name": name}}
    assert published(generate, Outer=outer).find("Outer")["required"] == ["name"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "object"}, "object of any content"),
        ({"type": "string", "x-kubernetes-new": 1}, "nobody has decided about: x-kubernetes-new"),
    ],
)
def test_what_would_open_the_schema_is_refused(generate: ModuleType, schema: Any, words: str) -> None:
    outer = {"type": "object", "properties": {"field": schema}}
    with pytest.raises(generate.GenerationError, match=words):
        published(generate, Outer=outer).find("Outer")


def test_a_property_that_kubernetes_lacks_is_named(generate: ModuleType) -> None:
    with pytest.raises(generate.GenerationError, match=r"publishes no Outer\.colour"):
        published(generate, Outer={"type": "object", "properties": {}}).find("Outer.colour")


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
def test_descriptions_are_shortened_at_a_sentence(generate: ModuleType, text: str, short: str) -> None:
    assert generate.shorten(text) == short


def test_ours_is_laid_over_theirs(generate: ModuleType) -> None:
    base = {"items": {"required": ["name"], "properties": {"image": {"type": "string"}}}}
    ours = {"items": {"required": ["image", "name"], "properties": {"image": {"minLength": 1}}}}
    assert generate.lay_over(base, ours) == {
        "items": {"required": ["image", "name"], "properties": {"image": {"type": "string", "minLength": 1}}}
    }


def test_a_cluster_of_another_version_is_refused(generate: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "_get", lambda _path: {"gitVersion": "v1.35.0"})
    with pytest.raises(generate.GenerationError, match=r"made from Kubernetes v1\.34, but this cluster runs v1\.35\.0"):
        generate.fetch()


def properties(of: str) -> dict[str, Any]:
    """The fields of `spec` or `status` in the CRD."""
    crd = yaml.safe_load((CRDS / "airflowcontainerjobs.yaml").read_text())
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][of]["properties"]
    return found


def test_every_field_of_the_spec_reaches_conf_or_has_a_meaning_here() -> None:
    assert properties("spec").keys() == SPEC_KEYS.keys() | {"podMetadata", "suspend"}
    assert conf.build(job(spec={name: name for name in properties("spec")} | {"podMetadata": {}}))


def test_the_status_we_write_has_no_field_that_the_crd_would_drop() -> None:
    """From a patch the API server drops unknown fields in silence, and the operator would write them for ever."""
    links = status.Links("container_job", "http://airflow")
    written = status.derive(job(), facts("failed", ended(3, "words")), links, NOW)
    known = properties("status")
    assert written.keys() <= known.keys()
    assert written["attempts"][0].keys() <= known["attempts"]["items"]["properties"].keys()
    assert written["conditions"][0].keys() <= known["conditions"]["items"]["properties"].keys()
    assert status.invalid(job(), "words", NOW).keys() <= known.keys()
