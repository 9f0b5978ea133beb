"""Fills a pattern of knative/base: `${name}` becomes a value of any type, `...: ${name}` a mapping's entries; none leaves its key out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

BASE = Path(__file__).resolve().parents[2] / "knative" / "base"
Manifest = dict[str, Any]

_MERGE = "..."
_ALONE = re.compile(r"\$\{(\w+)\}")


def load(name: str) -> list[Manifest]:
    """The documents of a pattern, not filled."""
    return [d for d in yaml.safe_load_all((BASE / f"{name}.yaml").read_text()) if d]


def fill(pattern: str, /, **values: Any) -> Manifest:
    """The one document of a pattern with its values. KeyError: the pattern asks for one that is not given, or one is not asked for."""
    (document,) = load(pattern)
    if unused := set(values) - set(_asked(document)):
        raise KeyError(f"{pattern}.yaml does not ask for {', '.join(sorted(unused))}")
    filled: Manifest = _filled(document, values)
    return filled


def _asked(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for child in node.values():
            yield from _asked(child)
    elif isinstance(node, list):
        for child in node:
            yield from _asked(child)
    elif isinstance(node, str):
        yield from _ALONE.findall(node)


def _filled(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        out: dict[str, Any] = {}
        for key, child in node.items():
            value = _filled(child, values)
            if key == _MERGE:
                out |= value
            elif value is not None:
                out[key] = value
        return out
    if isinstance(node, list):
        return [_filled(child, values) for child in node]
    if isinstance(node, str):
        if alone := _ALONE.fullmatch(node):
            return values[alone[1]]
        return _ALONE.sub(lambda m: str(values[m[1]]), node)
    return node
