"""Writes crds/airflowcontainerjobs.yaml, our own source.yaml filled with Kubernetes' schemas, and docs/reference.md.

Run by `make crds` (and with `--check` by the tests) against the API server of the current kubeconfig. The published
OpenAPI is made structural on the way: references are resolved, keywords a CRD may not have are dropped, and an object
without named properties is refused, so that no part of the spec takes unknown fields. A keyword never seen before is
refused as well: somebody has to decide what it means here.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from crds import reference

Schema = dict[str, Any]

FOLDER: Final = Path(__file__).parent
SOURCE: Final = FOLDER / "source.yaml"
TARGET: Final = FOLDER / "airflowcontainerjobs.yaml"
REFERENCE: Final = FOLDER.parent / "docs" / "reference.md"
KUBERNETES: Final = "v1.34"
"""Whose schemas are taken. Another minor version has other fields, so it is raised on purpose, never by accident."""

PACKAGES: Final = ("io.k8s.api.core.v1.", "io.k8s.api.batch.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1.")
DOCUMENTS: Final = ("/openapi/v3/api/v1", "/openapi/v3/apis/batch/v1")
"""Where an API server publishes them."""

QUANTITY: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
NUMBER_OR_TEXT: Final[Schema] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}
REPLACED: Final[Mapping[str, Schema]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": NUMBER_OR_TEXT | {"pattern": QUANTITY},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": NUMBER_OR_TEXT,
}
"""Types whose published schema a CRD cannot have as it is."""

TEMPLATE_METADATA: Final = ("annotations", "labels")
"""Of the metadata in a claim's template, Kubernetes takes these and refuses the rest."""

KEPT: Final = {
    "enum",
    "format",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
}
DROPPED: Final = {"x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy", "x-kubernetes-unions"}
HANDLED: Final = {"additionalProperties", "allOf", "default", "description", "items", "properties", "required"}

ENOUGH_DESCRIPTION: Final = 160
"""Further sentences are kept up to this length: with all of them the CRD would not fit into an annotation."""

LONGEST_DESCRIPTION: Final = 300
"""Of a first sentence."""

SIZE_LIMIT: Final = 256 * 1024
"""`kubectl apply` keeps a copy of the object in an annotation, and annotations end here."""


class GenerationError(Exception):
    """The CRD cannot be made; the text says why."""


class Published:
    """The schemas of an API server's OpenAPI document, turned into what a CRD may contain."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas

    def find(self, reference: str) -> Schema:
        """Return the schema of `Type` or `Type.property`, everything resolved."""
        kind, _, name = reference.partition(".")
        for package in PACKAGES:
            if (found := self._schemas.get(package + kind)) is not None:
                if not name:
                    return self._convert(found, reference)
                if name in found["properties"]:
                    return self._convert(found["properties"][name], reference)
        raise GenerationError(f"Kubernetes {KUBERNETES} publishes no {reference}")

    def _convert(self, schema: Schema, path: str) -> Schema:
        schema = self._resolve(schema)
        if "x-kubernetes-int-or-string" in schema:
            return schema
        if unknown := schema.keys() - KEPT - DROPPED - HANDLED:
            raise GenerationError(f"{path} has keywords nobody has decided about: {', '.join(sorted(unknown))}")
        result = {"description": shorten(schema["description"])} if "description" in schema else {}
        result |= {key: schema[key] for key in sorted(KEPT & schema.keys())}
        # A zero value is Go's, not the API's: on a required field it would let the field be left out.
        result |= {"default": schema["default"]} if schema.get("default") else {}
        result |= self._children(schema, path)
        if schema["type"] == "object" and not {"properties", "additionalProperties"} & result.keys():
            raise GenerationError(f"{path} is an object of any content: it would let misspelt fields through")
        return result

    def _resolve(self, schema: Schema) -> Schema:
        """Put a referred type in the place of its reference. What is said at the place itself wins."""
        here = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
        for part in [schema, *schema.get("allOf", [])]:
            if "$ref" in part:
                name = part["$ref"].rpartition("/")[2]
                if name in REPLACED:
                    told = {"description": shorten(here["description"])} if "description" in here else {}
                    return told | REPLACED[name]
                here = self._resolve(self._schemas[name]) | here
                if name.endswith(".ObjectMeta"):
                    here |= {"properties": {key: here["properties"][key] for key in TEMPLATE_METADATA}}
        return here

    def _children(self, schema: Schema, path: str) -> Schema:
        result: Schema = {}
        if "properties" in schema:
            found = {name: self._convert(schema["properties"][name], f"{path}.{name}") for name in schema["properties"]}
            result["properties"] = dict(sorted(found.items()))
            if required := {*schema.get("required", []), *filter(None, map(self._meant, schema["properties"].items()))}:
                result["required"] = sorted(required)
        if "items" in schema:
            result["items"] = self._convert(schema["items"], f"{path}[]")
        if "additionalProperties" in schema:
            result["additionalProperties"] = self._convert(schema["additionalProperties"], f"{path}{{}}")
        return result

    @staticmethod
    def _meant(named: tuple[str, Schema]) -> str | None:
        """Name a property that the documentation calls required though old clients may leave it empty."""
        name, schema = named
        return name if "effectively required" in schema.get("description", "") else None


def shorten(text: str) -> str:
    """Keep the first sentence, and those after it while all stay short."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    kept, *rest = re.split(r"(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<=[.!?]) (?=[A-Z\"'*$(])", paragraph)
    for sentence in rest:
        if len(kept) + len(sentence) >= ENOUGH_DESCRIPTION or sentence.startswith("More info"):
            break
        kept += f" {sentence}"
    if len(kept) > LONGEST_DESCRIPTION:
        return kept[:LONGEST_DESCRIPTION].rpartition(" ")[0] + " ..."
    return kept


def fill(node: Any, published: Published) -> Any:
    """Replace every `$from` in our source by what Kubernetes publishes, ours laid over it."""
    if isinstance(node, list):
        return [fill(item, published) for item in node]
    if not isinstance(node, dict):
        return node
    ours = {key: fill(value, published) for key, value in node.items() if key != "$from"}
    return lay_over(published.find(node["$from"]), ours) if "$from" in node else ours


def lay_over(base: Any, ours: Any) -> Any:
    """Merge mappings, key by key; anything else of ours replaces."""
    if not (isinstance(base, dict) and isinstance(ours, dict)):
        return ours
    return base | {key: lay_over(base.get(key), value) for key, value in ours.items()}


def generate(schemas: Mapping[str, Schema]) -> str:
    """Make the text of the CRD from what an API server publishes."""
    crd = fill(yaml.safe_load(SOURCE.read_text()), Published(schemas))
    body = yaml.dump(crd, Dumper=_Dumper, sort_keys=False, width=1_000_000, allow_unicode=True)
    text = (
        f"# Generated by crds/generate.py from crds/source.yaml and the OpenAPI of Kubernetes {KUBERNETES}.\n"
        f"# Do not edit: change source.yaml and run `make crds`.\n{body}"
    )
    if len(text) >= SIZE_LIMIT:
        raise GenerationError(f"the CRD has {len(text)} bytes; `kubectl apply` takes less than {SIZE_LIMIT}")
    return text


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: `kubectl` reads them, people do not."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def fetch() -> Mapping[str, Schema]:
    """Read the schemas of our packages from the cluster of the current kubeconfig, which must be of our version."""
    version = _get("/version")["gitVersion"]
    if not version.startswith(f"{KUBERNETES}."):
        raise GenerationError(f"the CRD is made from Kubernetes {KUBERNETES}, but this cluster runs {version}")
    return {name: schema for path in DOCUMENTS for name, schema in _get(path)["components"]["schemas"].items()}


def _get(path: str) -> Any:
    try:
        done = subprocess.run(["kubectl", "get", "--raw", path], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise GenerationError('kubectl is not in PATH; `eval "$(make -s env)"` puts it there') from None
    if done.returncode != 0:
        raise GenerationError(f"no API server answers ({done.stderr.strip()}); `make up` starts one")
    return json.loads(done.stdout)


def main(arguments: list[str] | None = None) -> int:
    """Write the CRD, or with --check compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not up to date")
    check: bool = parser.parse_args(arguments).check
    try:
        made = generate(fetch())
    except GenerationError as error:
        print(f"crds/generate.py: {error}", file=sys.stderr)
        return 2
    source, crd = yaml.safe_load(SOURCE.read_text()), yaml.safe_load(made)
    texts = {TARGET: made, REFERENCE: reference.render(crd, source, KUBERNETES)}
    if not check:
        for path, text in texts.items():
            path.write_text(text)
        return 0
    stale = [path.name for path, text in texts.items() if not path.exists() or path.read_text() != text]
    if stale:
        print(f"{', '.join(stale)}: not what crds/{SOURCE.name} makes; run `make crds`", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
