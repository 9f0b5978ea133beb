"""All results files as one markdown table, for docs/performance.md: `python -m bench table`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.results import load

_BEGIN, _END = "<!-- figures: {} -->", "<!-- end of figures -->"
_MARKS = {"goal": "goal", "reach": "reached", "missed": "**missed**", "": ""}


def table(out: Path) -> str:
    """The table, and under it the machine that the figures come from."""
    documents = load(out)
    if not documents:
        return f"no results in {out.name}/"
    lines = [
        "| scenario | figure | measured | | reach now | the goal | p50 / p90 / p99 / max, ms | books | others' cores | commit, day |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for document in documents:
        lines += _rows(document)
    lines += ["", *_machines(documents)]
    return "\n".join(lines)


def placed(text: str, figures: Mapping[str, str]) -> str:
    """A document with the tables of these profiles replaced. ValueError when it has no place for one."""
    for on, found in figures.items():
        before, begin, rest = text.partition(_BEGIN.format(on))
        _, end, after = rest.partition(_END)
        if not (begin and end):
            raise ValueError(f"no {_BEGIN.format(on)} ... {_END} in the document")
        text = f"{before}{begin}\n{found}\n{end}{after}"
    return text


def _rows(document: dict[str, Any]) -> list[str]:
    name = document["scenario"] + ("" if document["form"] == "full" else f" ({document['form']})")
    books = "agree" if document["agree"] else "**do not agree**"
    about = f"{document['commit']['id'] or '?'}{'+' if document['commit']['changed'] else ''}, {document['at'][:10]}"
    noise = [part["others_cores"] for part in document["details"].values() if isinstance(part, dict) and "others_cores" in part]
    others = f"{max(noise):g}" if noise else ""
    distributions = document["distributions"]
    rows = []
    for figure in document["figures"]:
        d = distributions.get(figure["name"])
        spread = f"{d['p50']:.4g} / {d['p90']:.4g} / {d['p99']:.4g} / {d['max']:.4g}" if d else ""
        measured = f"{_number(figure['value'])} {figure['unit']}"
        bounds = [_number(figure[b]) if figure[b] is not None else "" for b in ("reach", "goal")]
        rows.append(
            "| " + " | ".join([name, figure["name"], measured, _MARKS[figure["reached"]], *bounds, spread, books, others, about]) + " |"
        )
    return rows


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _machines(documents: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each kind of machine, with the range of its yardsticks: a wide one says that it was not ours alone."""
    found: dict[str, list[dict[str, Any]]] = {}
    for d in documents:
        m, v = d["machine"], d["versions"]
        what = f"{m['cores']} cores of {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}, {m['file_system']}, "
        found.setdefault(f"{what}Python {v['python']}, SQLite {v['sqlite']}", []).append(m)
    lines = []
    for what, machines in found.items():
        sync, loop, loops = ([m[n] for m in machines if n in m] for n in ("sync_4k_us", "python_loop_ns", "python_loop_all_cores_ns"))
        both = f" alone and {min(loops)} to {max(loops)} ns on all cores at once" if loops else ""
        lines.append(
            f"{what}; a synced write of 4 KiB took {min(sync):,} to {max(sync):,} us, "
            f"a turn of a Python loop {min(loop)} to {max(loop)} ns{both}."
        )
    return lines
