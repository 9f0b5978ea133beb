"""Reads knative/autoscaling.yaml: knobs by stage and lane, the more particular word winning. A wrong value is refused with its line.

    feeding: {dispatcher_pods: 3}
    defaults:
      reserved: {min_scale: 2}                   # auth and realtime
      bulk: {max_scale: 20}                      # mass and ad
      all: {}                                    # Services that serve every lane
    services:
      route:
        bulk: {container_concurrency: 8}
        ad: {max_scale: 5}                       # one lane of it
      analyze:
        all: {max_scale: 4}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from ims.errors import Misconfigured
from ims.lanes import TRAITS, Lane
from ims.scaling.knobs import Feeding, Knobs
from ims.topics import STAGES, consumed_by

HTTP = ("intake", "intake-bulk", "receipt", "center")  # Services that are called, not fed
# One Service for all lanes: the lane is not known before the call is read, or nobody waits for what the stage does.
ALL_LANES = (*HTTP, "analyze", "deadletter")
_CALLED = STAGES.index("report")  # receipt stands where reports begin
GROUPS = {True: "reserved", False: "bulk"}
_PLACES = ("reserved", "bulk", *Lane)


@dataclass(frozen=True, slots=True)
class Workload:
    """One Knative Service: a stage in a lane, or (lane None) in all of them."""

    stage: str
    lane: Lane | None
    knobs: Knobs

    @property
    def name(self) -> str:
        """As the Service is called."""
        return (f"{self.stage}-{self.lane.value}" if self.lane else self.stage).replace("_", "-")


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """The whole file, resolved."""

    feeding: Feeding
    workloads: tuple[Workload, ...]

    def of(self, stage: str, lane: Lane | None = None) -> Workload:
        """The Service that serves a stage in a lane. KeyError: there is none."""
        for workload in self.workloads:
            if workload.stage == stage and workload.lane in {lane, None}:
                return workload
        raise KeyError(f"{stage} {lane or ''}".strip())


def places() -> Iterator[tuple[str, Lane | None]]:
    """Every Service that there is, in the order of the way through the house."""
    for stage in (*HTTP[:2], *STAGES[:_CALLED], HTTP[2], *STAGES[_CALLED:], HTTP[3]):
        if stage in ALL_LANES:
            yield stage, None
        else:
            yield from ((stage, lane) for lane in Lane if consumed_by(stage, lane))


def read(text: str, name: str = "autoscaling.yaml") -> Autoscaling:
    """The file's settings. Misconfigured lists every wrong value as `name:line: where: what`."""
    reading = _Reading(text, name)
    settings = reading.settings()
    if reading.wrong:
        raise Misconfigured("\n".join(f"{name}:{line}: {what}" for line, what in sorted(set(reading.wrong))))
    return settings


def with_dispatcher_pods(settings: Autoscaling, pods: int) -> Autoscaling:
    """The same file with other consumers. Misconfigured: so many can not be."""
    feeding = settings.feeding.model_copy(update={"dispatcher_pods": pods})
    if pods < 1 or (wrong := feeding.contradictions()):
        raise Misconfigured(f"dispatcher_pods: {pods} is not possible" if pods < 1 else "; ".join(text for _, text in wrong))
    return replace(settings, feeding=feeding)


_Block = dict[str, tuple[Any, int]]  # a knob's value and its line
_Model = TypeVar("_Model", Knobs, Feeding)


class _Reading:
    """One pass over the file, gathering what is wrong instead of stopping at the first."""

    def __init__(self, text: str, name: str) -> None:
        self.wrong: list[tuple[int, str]] = []
        self._loader = yaml.SafeLoader(text)
        try:
            self._root = self._loader.get_single_node()
        except yaml.MarkedYAMLError as exc:
            line = exc.problem_mark.line + 1 if exc.problem_mark else 1
            raise Misconfigured(f"{name}:{line}: {exc.problem}") from exc

    def settings(self) -> Autoscaling:
        top = self._mapping(self._root, "the file", ("feeding", "defaults", "services"))
        feeding = self._checked(Feeding, "feeding", self._block(top.get("feeding"), "feeding"))
        defaults = self._blocks(top.get("defaults"), "defaults", ("reserved", "bulk", "all"))
        stages = tuple(dict.fromkeys(stage for stage, _ in places()))
        services = {
            stage: self._blocks(node, f"services.{stage}", ("all",) if stage in ALL_LANES else _PLACES)
            for stage, node in self._mapping(top.get("services"), "services", stages).items()
        }
        return Autoscaling(feeding, tuple(self._workload(stage, lane, defaults, services.get(stage, {})) for stage, lane in places()))

    def _workload(self, stage: str, lane: Lane | None, defaults: dict[str, _Block], said: dict[str, _Block]) -> Workload:
        group = GROUPS[TRAITS[lane].reserved] if lane else "all"
        block = defaults.get(group, {}) | said.get(group, {}) | (said.get(lane.value, {}) if lane else {})
        return Workload(stage, lane, self._checked(Knobs, f"{stage} {lane.value if lane else 'all'}", block))

    def _checked(self, model: type[_Model], where: str, block: _Block) -> _Model:
        """The model of a block; its defaults where the block is wrong, so that the reading can go on."""
        try:
            made = model.model_validate({name: value for name, (value, _) in block.items()})
        except ValidationError as exc:
            for error in exc.errors(include_url=False, include_context=False):
                name = str(error["loc"][0])
                said = "no such knob" if error["type"] == "extra_forbidden" else f"{error['msg']}, not {error['input']!r}"
                self.wrong.append((block[name][1], f"{where}: {name}: {said}"))
            return model()
        for name, text in made.contradictions():
            others = [line for _, line in block.values()]
            self.wrong.append((block[name][1] if name in block else max(others, default=1), f"{where}: {name}: {text}"))
        return made

    def _blocks(self, node: yaml.Node | None, where: str, allowed: tuple[str, ...]) -> dict[str, _Block]:
        return {key: self._block(child, f"{where}.{key}") for key, child in self._mapping(node, where, allowed).items()}

    def _block(self, node: yaml.Node | None, where: str) -> _Block:
        return {
            key: (self._loader.construct_object(child, deep=True), child.start_mark.line + 1)
            for key, child in self._mapping(node, where, None).items()
        }

    def _mapping(self, node: yaml.Node | None, where: str, allowed: tuple[str, ...] | None) -> dict[str, yaml.Node]:
        """Keys and nodes; a key that is written twice or means nothing is said, and left out."""
        if node is None or node.tag == "tag:yaml.org,2002:null":
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.wrong.append((node.start_mark.line + 1, f"{where}: names with values are meant here"))
            return {}
        found: dict[str, yaml.Node] = {}
        for key_node, child in node.value:
            key, line = str(self._loader.construct_object(key_node, deep=True)), key_node.start_mark.line + 1
            if key in found:
                self.wrong.append((line, f"{where}: {key} is written twice"))
            elif allowed is not None and key not in allowed:
                self.wrong.append((line, f"{where}: {key} is none of {', '.join(allowed)}"))
            else:
                found[key] = child
        return found
