"""The parts of a message beside its text and title (buttons, items, cards, values of a template): their variables, and they rendered.

For providers who fill in text and title for each recipient and nothing else: in one call for many, the parts must come out alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ims.rules.template import render, variables


def variables_in(*parts: Any) -> tuple[str, ...]:
    """The names of all variables in these parts, at any depth, each once."""
    names: dict[str, None] = {}
    for part in parts:
        if isinstance(part, str):
            names.update(dict.fromkeys(variables(part)))
        elif isinstance(part, Mapping):
            names.update(dict.fromkeys(variables_in(*part.values())))
        elif isinstance(part, (list, tuple)):
            names.update(dict.fromkeys(variables_in(*part)))
    return tuple(names)


def rendered(part: Any, mapping: Mapping[str, str]) -> Any:
    """The part with the values in their places. MissingVariable where one has no value."""
    if isinstance(part, str):
        return render(part, mapping)
    if isinstance(part, Mapping):
        return {name: rendered(inner, mapping) for name, inner in part.items()}
    if isinstance(part, (list, tuple)):
        return [rendered(inner, mapping) for inner in part]
    return part
