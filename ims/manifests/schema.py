"""A custom resource against its CRD, as the API server reads it. Unknown fields are problems too: it would drop them without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]
_META = {"apiVersion", "kind", "metadata"}  # what every object has, whatever its schema says of it
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
}  # fmt: skip
# Keywords that are understood here; a schema that uses another one must not pass for checked.
_KNOWN = {
    "type", "properties", "items", "additionalProperties", "required", "enum", "pattern", "minimum", "maximum", "minItems", "maxItems",
    "minLength", "maxLength", "format", "nullable", "default", "description", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type",
    "x-kubernetes-embedded-resource", "anyOf", "title", "minProperties", "maxProperties",
    "x-kubernetes-validations",  # CEL: only a cluster (kubectl apply --dry-run=server) evaluates it
}  # fmt: skip


@dataclass(frozen=True)
class Crds:
    """The schemas of a folder of CustomResourceDefinitions."""

    versions: dict[tuple[str, str], tuple[bool, Schema]] = field(default_factory=dict)  # (apiVersion, kind) -> served, schema

    def check(self, document: dict[str, Any]) -> list[str] | None:
        """Problems as `path: text`; None: there is no schema for the kind."""
        known = self.versions.get((document.get("apiVersion", ""), document.get("kind", "")))
        if known is None:
            return None
        served, schema = known
        if not served:
            return ["apiVersion: this version is not served"]
        return list(_problems(document, {**schema, "properties": {**schema.get("properties", {}), "metadata": {}}}, "", root=True))


def crds(folder: Path) -> Crds:
    """Every CRD below a folder. FileNotFoundError: there is none."""
    found = Crds()
    for path in sorted(folder.glob("*.y*ml")):
        for crd in yaml.load_all(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if crd and crd.get("kind") == "CustomResourceDefinition":
                group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
                for version in crd["spec"]["versions"]:
                    schema = version.get("schema", {}).get("openAPIV3Schema", {})
                    found.versions[f"{group}/{version['name']}", kind] = (version["served"], schema)
    if not found.versions:
        raise FileNotFoundError(f"{folder} holds no CustomResourceDefinition")
    return found


def _problems(value: Any, schema: Schema, path: str, *, root: bool = False) -> Iterator[str]:
    if unknown := {key for key in schema if key not in _KNOWN}:
        raise NotImplementedError(f"{path}: schema keyword {', '.join(sorted(unknown))}")
    at = path or "(document)"
    if value is None:
        if not schema.get("nullable") and schema.get("type"):
            yield f"{at}: must not be null"
        return
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield f"{at}: must be a number or a string"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{at}: must be of type {kind}, not {type(value).__name__}"
        return
    yield from _limits(value, schema, at)
    if isinstance(value, dict):
        yield from _fields(value, schema, path, root=root)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(item, schema.get("items", {}), f"{path}[{index}]")
        yield from _keys(value, schema, at)


def _fields(value: dict[str, Any], schema: Schema, path: str, *, root: bool) -> Iterator[str]:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    open_ = schema.get("x-kubernetes-preserve-unknown-fields") or not schema or not (properties or more or schema.get("type"))
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{f'{path}.{name}'.lstrip('.')}: required"
    for name, child in value.items():
        where = f"{path}.{name}".lstrip(".")
        if name in properties:
            yield from _problems(child, properties[name], where)
        elif isinstance(more, dict):
            yield from _problems(child, more, where)
        elif not (open_ or more is True or (root and name in _META)):
            yield f"{where}: unknown field"


def _limits(value: Any, schema: Schema, at: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at}: {value!r} does not match {schema['pattern']}"
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{at}: length {len(value)}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            yield f"{at}: {value} is out of range"
        if schema.get("format") == "int32" and not -(2**31) <= value < 2**31:
            yield f"{at}: {value} is no int32"
    elif isinstance(value, dict) and not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        yield f"{at}: {len(value)} fields"
    elif isinstance(value, list) and not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{at}: {len(value)} items"


def _keys(value: list[Any], schema: Schema, at: str) -> Iterator[str]:
    """Lists that are sets or maps hold nothing twice."""
    keys: list[Any] = []
    match schema.get("x-kubernetes-list-type"):
        case "set":
            keys = value
        case "map":
            defaults = {name: s.get("default") for name, s in schema.get("items", {}).get("properties", {}).items()}
            names = schema["x-kubernetes-list-map-keys"]
            keys = [tuple(item.get(k, defaults.get(k)) for k in names) for item in value if isinstance(item, dict)]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield f"{at}[{index}]: {key} stands here twice"
