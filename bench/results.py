"""What a scenario found, as a file: method, machine, versions, commit, figures, distributions, books, series."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.children import ROOT
from bench.far_end import Books

_NUMBERS = re.compile(r"\[\s*((?:-?[\d.]+(?:e-?\d+)?,\s*)*-?[\d.]+(?:e-?\d+)?)\s*\]")


@dataclass(frozen=True)
class Figure:
    """One number that is compared with what the project promises. `reach`: for now; `goal`: what we go on to."""

    name: str
    value: float
    unit: str
    reach: float | None = None
    goal: float | None = None
    lower_is_better: bool = False

    @property
    def reached(self) -> str:
        """Which of the two it meets."""
        for name in ("goal", "reach"):
            wanted = getattr(self, name)
            if wanted is not None and (self.value <= wanted if self.lower_is_better else self.value >= wanted):
                return name
        return "" if self.reach is None else "missed"


@dataclass
class Outcome:
    """One run of one scenario."""

    figures: list[Figure] = field(default_factory=list)
    distributions: dict[str, dict[str, Any]] = field(default_factory=dict)
    books: dict[str, Books] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)  # what else must hold
    details: dict[str, Any] = field(default_factory=dict)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the part of the scenario that they belong to

    @property
    def agree(self) -> bool:
        """Nothing lost, nothing doubled."""
        return all(books.agree for books in self.books.values()) and all(self.checks.values())


@dataclass(frozen=True)
class Header:
    """How it came about."""

    scenario: str
    on: str  # the profile
    form: str
    method: str
    settings: dict[str, Any]
    seed: int
    machine: dict[str, Any]
    versions: dict[str, str]
    commit: dict[str, Any]


def folder_of(on: str) -> Path:
    """Where the results of a profile are kept."""
    kept = ROOT / "bench" / "results"
    return kept if on == "embedded" else kept / on


def document(header: Header, outcome: Outcome) -> dict[str, Any]:
    """What stands in a results file."""
    return {
        **asdict(header),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "agree": outcome.agree,
        "figures": [{**asdict(f), "reached": f.reached} for f in outcome.figures],
        "distributions": outcome.distributions,
        "books": {name: books.as_dict() for name, books in outcome.books.items()},
        "checks": outcome.checks,
        "details": outcome.details,
        "series": outcome.series,
    }


def write(out: Path, found: dict[str, Any]) -> Path:
    """The results file."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{found['scenario']}.json"
    path.write_text(_joined(json.dumps(found, ensure_ascii=False, indent=1)) + "\n")
    return path


def _joined(text: str) -> str:
    """Lists of numbers on one line: a series is looked at in its plot."""
    return _NUMBERS.sub(lambda found: "[" + " ".join(found[1].split()) + "]", text)


def load(out: Path) -> list[dict[str, Any]]:
    """All results files of a folder."""
    return [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]


def said(found: dict[str, Any]) -> str:
    """A run for a person, in a few lines."""
    lines = [f"{found['scenario']} ({found['on']}, {found['form']}): the books {'agree' if found['agree'] else 'DO NOT AGREE'}"]
    for f in found["figures"]:
        bounds = ", ".join(f"{name} {f[name]:g}" for name in ("reach", "goal") if f[name] is not None)
        lines.append(f"  {f['name']:46} {f['value']:>12,.2f} {f['unit']:14} {f['reached']:7} {f'({bounds})' if bounds else ''}")
    for name, d in found["distributions"].items():
        lines.append(f"  {name:46} p50 {d['p50']:g}  p90 {d['p90']:g}  p99 {d['p99']:g}  max {d['max']:g} {d['unit']} (n={d['count']})")
    for name, books in found["books"].items():
        if not books["agree"]:
            lines.append(f"  books {name}: {books}")
    lines += [f"  not so: {what}" for what, holds in found["checks"].items() if not holds]
    return "\n".join(lines)
